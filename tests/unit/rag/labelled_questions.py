"""Questions, the sentence that answers each, and passages to find it in. Written for this test.

A question's evidence is the passage with its answer and three others, so that a generator has to
choose; :data:`UNANSWERED` are questions that no passage answers.
"""

import re

PASSAGES: dict[str, str] = {
    "ferry": (
        "The ferry to Holm Island leaves from pier 4. Tickets are sold on board and cost 12 euros "
        "for adults. Children under six travel free. In winter the last crossing is at 17:30, "
        "because the channel is not lit. Bicycles are taken along if there is room. The crossing "
        "takes about forty minutes in calm weather."
    ),
    "lighthouse": (
        "The lighthouse on the northern cape was built by Ada Lindqvist in 1871. Its lamp burned "
        "whale oil until electricity came in 1924. The tower is 38 metres high and painted with "
        "three red bands. Since the keeper retired, the light is controlled from the mainland. "
        "Visitors may climb it on Sundays."
    ),
    "bakery": (
        "Knead the dough for ten minutes and let it rest in a warm place. Rye needs more water "
        "than wheat, roughly eighty percent of the weight of the flour. Bake the loaf at 230 "
        "degrees for the first quarter of an hour, then at 190. A hollow sound tells that the "
        "bread is done. Freeze what you cannot eat within three days."
    ),
    "invoice": (
        "Invoice 2024-118 was issued to Marlow Printing on 3 May. The amount due is 4,310 euros "
        "including tax. Payment is expected within thirty days. Invoice 2024-097 is overdue since "
        "12 April; a reminder was sent twice. Please quote the customer number 55-201 in all "
        "letters."
    ),
    "router": (
        "To reset the router, hold the small button at the back for fifteen seconds. All lights "
        "blink once when it has restarted. The administration page is found at the address printed "
        "on the label. Change the default password before you connect other devices. If the "
        "orange light stays on, the line from the provider is interrupted."
    ),
    "lease": (
        "The lease runs for three years from 1 March 2022. Either party may end it with a notice "
        "of six months. The tenant pays for small repairs up to 150 euros each. Pets need the "
        "written consent of the landlord. Rent is 890 euros a month, heating not included. The "
        "deposit amounts to three months' rent and is returned after the final inspection."
    ),
    "glacier": (
        "The Varden glacier lost a third of its area between 1960 and 2010. Meltwater feeds two "
        "reservoirs that supply the valley. Measurements with radar show that the ice is up to 210 "
        "metres thick. Dark dust from the plains speeds up melting, as it absorbs sunlight. "
        "Researchers expect that the lower tongue disappears before 2050."
    ),
    "orchestra": (
        "The orchestra rehearses every Tuesday in the old customs house. Its conductor, Tomas "
        "Berg, joined from Riga last autumn. The spring concert features works by Dvorak and a new "
        "piece for two harps. Anyone who plays a string instrument is welcome to audition. The "
        "society is financed by gifts and by the sale of programmes."
    ),
    "medicine": (
        "Take one tablet in the morning with a glass of water. Do not use this medicine if you are "
        "allergic to penicillin. Common side effects are headache and a dry mouth. Store the "
        "package below 25 degrees and out of reach of children. If you forget a dose, skip it and "
        "go on as usual the next day."
    ),
    "bees": (
        "A healthy hive holds about fifty thousand bees in June. The queen lays up to two thousand "
        "eggs a day. Varroa mites are treated with oxalic acid in December, when there is no "
        "brood. Honey is harvested once most cells are capped. A hive that has lost its queen "
        "sounds restless and should be united with another."
    ),
}

ANSWERED: tuple[tuple[str, str, str], ...] = (
    ("How much does a ferry ticket cost?", "ferry", "Tickets are sold on board"),
    ("Where does the ferry to Holm Island leave?", "ferry", "leaves from pier 4"),
    ("When is the last crossing in winter?", "ferry", "at 17:30"),
    ("Do children pay on the ferry?", "ferry", "Children under six travel free"),
    ("Who built the lighthouse?", "lighthouse", "Ada Lindqvist"),
    ("How high is the lighthouse tower?", "lighthouse", "38 metres"),
    ("When can visitors climb the lighthouse?", "lighthouse", "on Sundays"),
    ("Which fuel did the lamp burn?", "lighthouse", "whale oil"),
    ("At which temperature is the loaf baked?", "bakery", "230 degrees"),
    ("How much water does rye need?", "bakery", "Rye needs more water"),
    ("How long do I knead the dough?", "bakery", "for ten minutes"),
    ("Which invoice is overdue?", "invoice", "2024-097 is overdue"),
    ("What is the amount due of the invoice to Marlow Printing?", "invoice", "4,310 euros"),
    ("What is the customer number?", "invoice", "55-201"),
    ("How do I reset the router?", "router", "hold the small button"),
    ("What does the orange light mean?", "router", "orange light stays on"),
    ("What should be done about the default password?", "router", "Change the default password"),
    ("How long is the notice to end the lease?", "lease", "notice of six months"),
    ("Are pets allowed?", "lease", "Pets need the written consent"),
    ("How high is the rent per month?", "lease", "890 euros a month"),
    ("When is the deposit returned?", "lease", "The deposit amounts"),
    ("How thick is the ice?", "glacier", "210 metres"),
    ("How much area did the glacier lose?", "glacier", "lost a third"),
    ("Why does dust speed up melting?", "glacier", "absorbs sunlight"),
    ("When does the orchestra rehearse?", "orchestra", "every Tuesday"),
    ("Who is the conductor of the orchestra?", "orchestra", "Tomas Berg"),
    ("How is the society financed?", "orchestra", "financed by gifts"),
    ("What are the side effects of the medicine?", "medicine", "headache and a dry mouth"),
    ("What should I do if I forget a dose?", "medicine", "skip it"),
    ("Who must not use this medicine?", "medicine", "allergic to penicillin"),
    ("How many eggs does the queen lay in a day?", "bees", "two thousand eggs"),
    ("How are varroa mites treated?", "bees", "oxalic acid"),
    ("What is the population of a beehive in summer?", "bees", "fifty thousand bees"),
    ("How long is the trip by boat?", "ferry", "forty minutes"),
    ("Where do I keep the tablets?", "medicine", "Store the package"),
    ("What will happen to the end of the glacier?", "glacier", "lower tongue disappears"),
)

UNANSWERED: tuple[str, ...] = (
    "Who won the football match yesterday?",
    "What is the capital of Peru?",
    "How do I change the oil of a tractor?",
    "Which planets have rings?",
    "When was the university library renovated?",
    "What does the warranty of the washing machine cover?",
    "How many employees does the bank have?",
    "Which vitamins are in spinach?",
    "Who wrote the novel about the desert?",
    "What was the score of the chess tournament?",
    "How tall is the tallest skyscraper in Dubai?",
    "What colour is the mayor's car?",
)

NEEDED: tuple[str, ...] = (
    "12",
    "pier 4",
    "17:30",
    "free|not pay|don't pay|do not",
    "Lindqvist",
    "38",
    "Sunday",
    "whale",
    "230",
    "eighty|80",
    "ten|10",
    "2024-097",
    "4,310",
    "55-201",
    "button",
    "provider|interrupted",
    "chang",
    "six|6",
    "consent|landlord",
    "890",
    "inspection",
    "210",
    "third",
    "absorb|sunlight",
    "Tuesday",
    "Berg",
    "gifts",
    "headache",
    "skip",
    "penicillin",
    "two thousand|2,000|2000",
    "oxalic",
    "fifty thousand|50,000|50000",
    "forty|40",
    "below 25|reach of children",
    "disappear",
)
"""For each of :data:`ANSWERED` what a right answer says, in one of these spellings."""


def is_right(text: str, needed: str) -> bool:
    """Whether an answer says what it has to, in any case.

    >>> is_right("It costs 12 euros.", "12|twelve"), is_right("It costs 120 euros.", "12|twelve")
    (True, False)
    """
    return re.search(rf"(?<!\w)(?:{needed})", text, re.IGNORECASE) is not None and not re.search(
        rf"(?<!\w)(?:{needed})\d", text
    )
