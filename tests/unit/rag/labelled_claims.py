"""Claims about a passage, each marked with whether the passage bears it out. Written for this test.

The passages are ``labelled_questions.PASSAGES`` and :data:`MORE_PASSAGES`. What decides is whether
a careful reader who has only that passage would agree; what is true in the world does not count. A
passage's claims are all for fitting or all for testing, and a claim of the kind "other passage" is
taken from a passage of the same split.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Claim:
    """A sentence or a short answer, and whether its evidence bears it out.

    Attributes:
        evidence: the key of the passage.
        text: what is claimed.
        is_supported: whether the passage says so.
        kind: how the claim was made from the passage.
        split: "fit" to choose a threshold or a weight by, "test" to report.
    """

    evidence: str
    text: str
    is_supported: bool
    kind: str
    split: Literal["fit", "test"]


MORE_PASSAGES: dict[str, str] = {
    "software": (
        "Every ninety seconds, Quill saves all open documents to the drafts folder. Plug-ins are "
        "switched off in safe mode, which starts when the shift key is held during launch. Large "
        "tables sometimes load slowly over a network drive. Version 7 can open files from version "
        "5, but version 5 cannot open files from version 7. The export to PDF was written by Ines "
        "Falk and needs no licence key."
    ),
    "recipe": (
        "Fry two chopped onions in butter until they are soft, not brown. Add 600 grams of pumpkin "
        "and a litre of vegetable stock, and simmer for twenty-five minutes. Stir in the cream "
        "after the pot is off the heat, since it may curdle otherwise. Most cooks season this soup "
        "with nutmeg; some prefer ginger. It serves four people and tastes better on the second "
        "day."
    ),
    "history": (
        "In 1648 the weavers of Tannfeld bought their freedom from Count Albrecht for nine hundred "
        "guilders. The count used the money to pay his soldiers. Some families left for the coast "
        "after the fire of 1671, which destroyed the granary but spared the church. Margarethe "
        "Voss, the widow of a miller, led the rebuilding. The guild hall was finished in 1689 and "
        "serves as a library now."
    ),
    "sport": (
        "Norvik beat Saltby 3-1 in the final of the coastal cup on Saturday. Saltby led at "
        "half-time through a header by Jonas Reed. Emil Hart scored twice after the break, and "
        "Luca Stern added the third from a penalty. The goalkeeper of Saltby left the field "
        "injured in the 70th minute. About 4,200 spectators watched the match in heavy rain. It is "
        "the first title for Norvik since 1998."
    ),
    "leaflet": (
        "Lumiva eye drops relieve itching caused by pollen. Adults use one drop in each eye twice "
        "a day; children under twelve should see a doctor first. Contact lenses must be taken out "
        "before use and may be put back after fifteen minutes. Some patients notice blurred vision "
        "for a short time and should not drive until it clears. Throw the bottle away four weeks "
        "after opening. An eye ointment may be used as well, but not within ten minutes of the "
        "drops."
    ),
    "astronomy": (
        "Comet Teller returns to the inner solar system every 68 years. It was discovered in 1889 "
        "by Clara Teller, who worked at the observatory of Brenner Hill. Its nucleus is about six "
        "kilometres across and is covered by a dark crust. Sunlight heats the ice, and the gas "
        "that escapes forms a tail that always points away from the Sun. At its next approach it "
        "should be visible to the naked eye from the southern hemisphere."
    ),
    "contract": (
        "The supplier, Halden Foods, delivers the goods to the buyer's warehouse by the tenth of "
        "each month. Invoices are payable within twenty-one days of delivery. For each full week "
        "of delay the buyer, Orchard Market, may deduct two percent of the price, but no more than "
        "ten percent in all. Either side may cancel in writing if the other becomes insolvent. "
        "Goods remain the property of the supplier until they are paid in full. Disputes are "
        "settled by the court in Bergen."
    ),
    "weather": (
        "A low over the Irish Sea brings rain to the western counties on Thursday. Gusts of up to "
        "85 kilometres an hour are possible along the coast. The east stays mostly dry, with a "
        "high of 14 degrees. Fog may form in some valleys overnight. From Friday, colder air from "
        "the north pushes the rain away, and the first frost of the autumn is likely at the "
        "weekend."
    ),
    "biology": (
        "The common cuckoo lays its eggs in the nests of other birds, often those of reed "
        "warblers. The young cuckoo usually hatches first and pushes the other eggs out. The "
        "foster parents then feed it for about three weeks, even when it is larger than they are. "
        "Some hosts recognise the foreign egg and throw it out. Adult cuckoos eat hairy "
        "caterpillars that most birds avoid, and they spend the winter in central Africa."
    ),
    "travel": (
        "The night train to Porto Alto leaves Verano at 21:40 and arrives at 8:15 the next "
        "morning. Couchettes must be reserved; ordinary seats need no reservation. Breakfast is "
        "included in the sleeping car but not in the couchettes. The border police sometimes wake "
        "passengers to see their passports. From the station in Porto Alto, bus 9 goes to the "
        "harbour every twenty minutes. Dogs travel at half fare if they wear a muzzle."
    ),
    "kitchen": (
        "A cast-iron pan should be dried at once after washing, because it rusts. Rub it with a "
        "thin layer of linseed oil and heat it at 240 degrees for an hour to renew the coating. "
        "Acidic sauces, such as tomato, may damage the coating if they cook for long. The pan "
        "suits induction hobs and ovens, but not microwaves. The 28-centimetre model weighs 3.1 "
        "kilograms and comes with a glass lid."
    ),
    "minutes": (
        "The board of the allotment society met on 14 September; seven of nine members were "
        "present. Petra Nolan proposed a second water tank, and Idris Cole offered to ask for "
        "three quotes. The rise of the yearly fee to 45 euros was approved by five votes to two. "
        "The decision on beehives was put off until the November meeting. Some members complained "
        "about noise from the workshop. Samir Patel takes over as treasurer from Petra Nolan in "
        "January."
    ),
}

# A line is "+" (borne out) or "-" (not), the kind, a colon, the claim. The passages alternate
# between "fit" and "test".
_TABLES: dict[str, str] = {
    "ferry": """
        + verbatim: In winter the last crossing is at 17:30, because the channel is not lit.
        + close: Tickets are sold on board and they cost 12 euros for an adult.
        + paraphrase: You can bring your bike on the boat as long as there is space.
        + paraphrase: When the sea is calm, the trip lasts roughly 40 minutes.
        + two sentences: The ferry to Holm Island leaves from pier 4, and children under six \
            travel free.
        + short answer: 12 euros
        + short answer: pier 4
        + other language: Kinder unter sechs Jahren fahren kostenlos mit.
        - wrong number: pier 7
        - wrong name: The ferry that leaves from pier 4 goes to Skarn Island.
        - negated: In winter the last crossing is at 17:30, because the channel is lit.
        - swapped roles: Adults travel free, and children under six pay 12 euros.
        - too strong: Bicycles are always taken along.
        - half true: Tickets are sold on board and can be paid for by card.
        - other passage: Contact lenses must be taken out before use.
    """,
    "lighthouse": """
        + verbatim: Its lamp burned whale oil until electricity came in 1924.
        + close: The lighthouse on the northern cape was built in 1871 by Ada Lindqvist.
        + paraphrase: Three red stripes decorate the tower, which rises 38 metres.
        + paraphrase: Now that the keeper has stopped working, the light is operated from the \
            mainland.
        + paraphrase: Before there was electricity, oil from whales fuelled the lamp.
        + two sentences: The tower is 38 metres high, and visitors may climb it on Sundays.
        + short answer: Ada Lindqvist
        - wrong number: The lamp burned whale oil until electricity came in 1942.
        - wrong name: The lighthouse on the northern cape was built by Ada Lindgren.
        - negated: Visitors may not climb the tower on Sundays.
        - invention: The foundation of the tower was cut from local granite.
        - other passage: Fog may form in some valleys overnight.
        - half true: The light is controlled from the mainland and is switched off in summer.
        - too strong: Visitors may climb the tower on any day of the week.
        - other language: Le phare a été construit par le gardien en 1871.
    """,
    "bakery": """
        + verbatim: A hollow sound tells that the bread is done.
        + close: Knead the dough for ten minutes, then let it rest in a warm place.
        + paraphrase: Wheat takes less water than rye.
        + paraphrase: After fifteen minutes at 230 degrees, the oven is turned down to 190.
        + paraphrase: Bread that will not be eaten within three days belongs in the freezer.
        + two sentences: The dough should be kneaded for ten minutes, and a hollow sound tells \
            that the bread is done.
        + short answer: roughly eighty percent of the weight of the flour
        - wrong number: Bake the loaf at 250 degrees for the first quarter of an hour.
        - swapped roles: Wheat needs more water than rye.
        - negated: Do not let the dough rest in a warm place.
        - invention: Brush the loaf with salted water before it goes into the oven.
        - other passage: A cast-iron pan should be dried at once after washing.
        - too strong: Rye always needs exactly eighty percent of the weight of the flour in water.
        - half true: Freeze what you cannot eat within three days and thaw it in the oven.
        - other language: Das Brot wird zuerst bei 190 und dann bei 230 Grad gebacken.
    """,
    "invoice": """
        + verbatim: Invoice 2024-118 was issued to Marlow Printing on 3 May.
        + close: The amount due, including tax, is 4,310 euros.
        + paraphrase: The bill that has been late since 12 April was followed by two reminders.
        + paraphrase: The money should arrive within 30 days.
        + two sentences: Payment is expected within thirty days, and the customer number 55-201 \
            should be quoted in all letters.
        + short answer: 55-201
        + short answer: Marlow Printing
        + other language: La facture 2024-097 est en retard depuis le 12 avril.
        - wrong number: Please quote the customer number 55-210 in all letters.
        - wrong name: Invoice 2024-118 was issued to Harlow Printing.
        - swapped roles: Invoice 2024-118 is overdue, and invoice 2024-097 was issued on 3 May.
        - negated: The amount of 4,310 euros does not include tax.
        - invention: A discount of two percent is granted for early payment.
        - half true: A reminder was sent twice, and the debt was then handed to a lawyer.
        - other passage: The deposit amounts to three months' rent.
    """,
    "router": """
        + verbatim: All lights blink once when it has restarted.
        + close: Hold the small button on the back for fifteen seconds to reset the router.
        + paraphrase: A steady orange lamp means that the provider's line is cut.
        + paraphrase: Replace the factory password before further machines are hooked up.
        + paraphrase: Once the router is up again, every lamp flashes one time.
        + two sentences: The address of the administration page is printed on the label, and the \
            lights blink once after a restart.
        + short answer: fifteen seconds
        + other language: Ändern Sie das Standardpasswort, bevor Sie andere Geräte verbinden.
        - wrong number: thirty seconds
        - wrong number: Hold the small button at the back for fifty seconds to reset the router.
        - negated: If the orange light does not stay on, the line from the provider is interrupted.
        - swapped roles: The label is found at the address printed on the administration page.
        - other passage: Safe mode starts when the shift key is held during launch.
        - invention: The name of the wireless network can be hidden in the settings.
        - half true: The administration page is found at the address printed on the label, and the \
            default password is printed below it.
    """,
    "lease": """
        + verbatim: Pets need the written consent of the landlord.
        + close: The lease runs for a term of three years, from 1 March 2022.
        + paraphrase: Landlord and tenant alike can terminate the agreement if they say so half a \
            year ahead.
        + paraphrase: The costs of minor repairs, 150 euros apiece at most, are borne by the tenant.
        + paraphrase: The monthly payment does not cover heating.
        + two sentences: Rent is 890 euros a month, and either party may end the lease with a \
            notice of six months.
        + short answer: 890 euros a month
        - wrong number: The tenant pays for small repairs up to 250 euros each.
        - negated: Pets do not need the consent of the landlord.
        - swapped roles: The landlord needs the written consent of the tenant to keep pets.
        - too strong: The tenant pays for all repairs.
        - half true: Rent is 890 euros a month and rises by two percent every year.
        - other passage: Dogs travel at half fare if they wear a muzzle.
        - invention: The flat has two rooms and a balcony.
        - other language: Die Heizkosten sind in der Miete von 890 Euro enthalten.
    """,
    "glacier": """
        + verbatim: Meltwater feeds two reservoirs that supply the valley.
        + close: Radar measurements show that the ice is up to 210 metres thick.
        + paraphrase: By 2010 the glacier covered a third less ground than in 1960.
        + paraphrase: Because dark dust soaks up the sun's rays, the ice melts faster.
        + paraphrase: Scientists think that the lower tongue will be gone before the middle of the \
            century.
        + two sentences: The Varden glacier lost a third of its area between 1960 and 2010, and \
            its lower tongue is expected to disappear before 2050.
        + short answer: up to 210 metres
        - wrong number: The Varden glacier lost a quarter of its area between 1960 and 2010.
        - wrong name: The Jordal glacier lost a third of its area between 1960 and 2010.
        - swapped roles: Two reservoirs feed the glacier with water from the valley.
        - negated: Researchers do not expect that the lower tongue disappears before 2050.
        - too strong: The ice is 210 metres thick everywhere.
        - invention: A cable car brings visitors to the edge of the ice.
        - half true: Meltwater feeds two reservoirs, which also drive a power station.
        - other language: La poussière sombre ralentit la fonte, car elle reflète la lumière.
    """,
    "orchestra": """
        + verbatim: Its conductor, Tomas Berg, joined from Riga last autumn.
        + close: The orchestra rehearses each Tuesday in the old customs house.
        + paraphrase: Donations and programme sales pay for the society.
        + paraphrase: Violinists and other string players are invited to audition.
        + two sentences: Tomas Berg conducts the orchestra, which rehearses every Tuesday.
        + short answer: Tomas Berg
        + short answer: a new piece for two harps
        + other language: L'orchestre répète tous les mardis dans l'ancienne maison des douanes.
        - wrong number: The spring concert features a new piece for three harps.
        - wrong name: works by Smetana
        - swapped roles: Tomas Berg left the orchestra for Riga last autumn.
        - too strong: Everyone who plays an instrument, of whatever kind, is accepted.
        - half true: The society is financed by gifts and by a grant from the city.
        - invention: The concert in spring lasts two hours with one interval.
        - other passage: The board met on 14 September; seven of nine members were present.
    """,
    "medicine": """
        + verbatim: Common side effects are headache and a dry mouth.
        + close: Take one tablet with a glass of water in the morning.
        + paraphrase: People whom penicillin gives an allergic reaction must not take this drug.
        + paraphrase: A missed tablet is not made up for; simply continue the following day.
        + paraphrase: Keep the pack where children cannot get at it and where it is cooler than 25 \
            degrees.
        + two sentences: Take one tablet in the morning, and keep the package out of reach of \
            children.
        + short answer: below 25 degrees
        + other language: Wer gegen Penicillin allergisch ist, darf dieses Mittel nicht einnehmen.
        - wrong number: Take two tablets in the morning with a glass of water.
        - wrong name: Do not use this medicine if you are allergic to ibuprofen.
        - negated: If you forget a dose, do not skip it.
        - too strong: Every patient gets a headache and a dry mouth.
        - other passage: Throw the bottle away four weeks after opening.
        - half true: Store the package below 25 degrees, best in the refrigerator.
        - invention: The tablets may be halved if they are hard to swallow.
    """,
    "bees": """
        + verbatim: Honey is harvested once most cells are capped.
        + close: In June, a healthy hive holds about fifty thousand bees.
        + paraphrase: Oxalic acid is used against varroa in December, while the hive has no brood.
        + paraphrase: A colony without a queen should be joined with another one.
        + paraphrase: The honey is taken when the majority of the cells have been closed.
        + two sentences: The queen lays up to two thousand eggs a day, and a healthy hive holds \
            about fifty thousand bees in June.
        + short answer: oxalic acid
        + other language: Die Königin legt bis zu zweitausend Eier am Tag.
        - wrong number: The queen lays up to twelve thousand eggs a day.
        - wrong name: formic acid
        - negated: Varroa mites are treated with oxalic acid in December, when there is brood.
        - too strong: The queen lays two thousand eggs on every day of the year.
        - other passage: The decision on beehives was put off until the November meeting.
        - invention: A full frame of honey weighs about two kilograms.
        - half true: Honey is harvested once most cells are capped and is then filtered twice.
    """,
    "software": """
        + verbatim: Large tables sometimes load slowly over a network drive.
        + close: Quill saves all open documents to the drafts folder every ninety seconds.
        + paraphrase: Hold down shift while the program starts, and it runs without plug-ins.
        + paraphrase: What was saved with the fifth version can be read by the seventh.
        + two sentences: Plug-ins are switched off in safe mode, and the export to PDF needs no \
            licence key.
        + short answer: the drafts folder
        + short answer: Ines Falk
        - wrong number: Every nineteen seconds, Quill saves all open documents.
        - wrong name: The export to PDF was written by Irina Falk.
        - negated: The export to PDF needs a licence key.
        - swapped roles: Version 5 can open files from version 7, but version 7 cannot open files \
            from version 5.
        - too strong: Large tables always load slowly over a network drive.
        - invention: Quill looks for updates once a week.
        - other passage: All lights blink once when it has restarted.
        - other language: Les extensions restent actives en mode sans échec.
    """,
    "recipe": """
        + verbatim: Stir in the cream after the pot is off the heat, since it may curdle otherwise.
        + close: Fry two chopped onions in butter until they are soft but not brown.
        + paraphrase: There is enough soup for four, and it improves by the next day.
        + paraphrase: Nutmeg is the spice that the majority of cooks choose, whereas others go for \
            ginger.
        + two sentences: The soup simmers for twenty-five minutes and serves four people.
        + short answer: 600 grams
        + short answer: twenty-five minutes
        - wrong number: Add 800 grams of pumpkin and a litre of vegetable stock.
        - negated: The soup does not taste better on the second day.
        - swapped roles: Most cooks season this soup with ginger; some prefer nutmeg.
        - wrong name: Fry two chopped leeks in butter until they are soft.
        - too strong: All cooks season this soup with nutmeg.
        - half true: Fry two chopped onions in butter and pour a glass of white wine over them.
        - other passage: Honey is harvested once most cells are capped.
        - other language: Die Sahne wird eingerührt, solange der Topf noch auf dem Herd kocht.
    """,
    "history": """
        + verbatim: The count used the money to pay his soldiers.
        + close: In 1648 the weavers of Tannfeld bought their freedom from the count, for nine \
            hundred guilders.
        + paraphrase: The church survived the blaze of 1671, while the granary was lost.
        + paraphrase: A miller's widow directed the reconstruction.
        + paraphrase: In the wake of the fire, a number of families moved to the seaside.
        + two sentences: The fire of 1671 destroyed the granary, and the guild hall was finished \
            in 1689.
        + short answer: Margarethe Voss
        + other language: Das Zunfthaus wurde 1689 fertig und dient heute als Bibliothek.
        - wrong number: The weavers of Tannfeld paid five hundred guilders for their freedom.
        - wrong name: Count Leopold
        - swapped roles: The fire of 1671 destroyed the church but spared the granary.
        - too strong: All families left for the coast after the fire of 1671.
        - half true: The guild hall was finished in 1689 and burned down a century later.
        - invention: The weavers of Tannfeld were known for their blue linen.
        - negated: The fire of 1671 did not destroy the granary.
    """,
    "sport": """
        + verbatim: Saltby led at half-time through a header by Jonas Reed.
        + close: On Saturday Norvik beat Saltby 3-1 in the coastal cup final.
        + paraphrase: Norvik had not won a title since 1998.
        + paraphrase: It poured while some 4,200 people followed the game.
        + paraphrase: Saltby's keeper was hurt and went off in the 70th minute.
        + two sentences: Emil Hart scored twice after the break, and the goalkeeper of Saltby left \
            the field injured.
        + short answer: Luca Stern
        - wrong number: Norvik beat Saltby 4-1 in the final of the coastal cup.
        - wrong name: Saltby led at half-time through a header by Luca Stern.
        - swapped roles: Saltby beat Norvik 3-1 in the final of the coastal cup.
        - negated: The goalkeeper of Saltby was not injured.
        - invention: The trophy was handed over by the mayor.
        - other passage: The rise of the yearly fee to 45 euros was approved by five votes to two.
        - too strong: All three goals of Norvik were scored by Emil Hart.
        - other language: Saltby a remporté la finale grâce à un penalty de Luca Stern.
    """,
    "leaflet": """
        + verbatim: Throw the bottle away four weeks after opening.
        + close: Adults use one drop in each eye, two times a day.
        + paraphrase: Remove your lenses before you apply the drops and wait a quarter of an hour \
            before you put them in again.
        + paraphrase: Anyone who sees less clearly should stay away from the wheel until that has \
            passed.
        + paraphrase: Leave at least ten minutes between the drops and an ointment.
        + two sentences: Lumiva eye drops relieve itching caused by pollen, and the bottle should \
            be thrown away four weeks after opening.
        + short answer: fifteen minutes
        + other language: Il faut retirer les lentilles de contact avant d'utiliser les gouttes.
        - wrong number: six weeks
        - wrong number: Adults use three drops in each eye twice a day.
        - negated: Contact lenses need not be taken out before use.
        - too strong: All patients notice blurred vision.
        - swapped roles: Children under twelve use one drop in each eye; adults should see a \
            doctor first.
        - other passage: Do not use this medicine if you are allergic to penicillin.
        - half true: Lumiva eye drops relieve itching caused by pollen or by house dust.
    """,
    "astronomy": """
        + verbatim: Its nucleus is about six kilometres across and is covered by a dark crust.
        + close: Comet Teller comes back to the inner solar system every 68 years.
        + paraphrase: The woman who found the comet was employed at the observatory of Brenner Hill.
        + paraphrase: Made of escaped gas, the tail is turned away from the Sun at all times.
        + paraphrase: People south of the equator should be able to see the comet without a \
            telescope when it next comes by.
        + two sentences: The comet was discovered in 1889, and its nucleus is about six kilometres \
            across.
        + short answer: 68 years
        + other language: Der Schweif zeigt immer von der Sonne weg.
        - wrong number: The nucleus of the comet is about sixteen kilometres across.
        - wrong name: The comet was discovered in 1889 by Clara Brenner.
        - negated: At its next approach the comet should not be visible to the naked eye.
        - swapped roles: Escaping gas heats the ice, and the sunlight forms a tail.
        - invention: A probe is planned to land on the comet.
        - half true: Comet Teller returns every 68 years and was last photographed in daylight.
        - other passage: Colder air from the north pushes the rain away.
    """,
    "contract": """
        + verbatim: Disputes are settled by the court in Bergen.
        + close: Invoices must be paid within twenty-one days of delivery.
        + paraphrase: Until the full price has been paid, Halden Foods owns what it delivers.
        + paraphrase: If one party can no longer pay its debts, the other can withdraw in writing.
        + two sentences: Halden Foods delivers to the buyer's warehouse by the tenth of each \
            month, and disputes are settled by the court in Bergen.
        + short answer: Orchard Market
        + short answer: two percent of the price
        - wrong number: The buyer may deduct no more than fifteen percent in all.
        - wrong name: Disputes are settled by the court in Oslo.
        - swapped roles: Orchard Market delivers the goods to the warehouse of Halden Foods.
        - negated: Goods do not remain the property of the supplier until they are paid in full.
        - too strong: Either side may cancel in writing at any time and for any reason.
        - half true: Goods are delivered by the tenth of each month and are insured on the way.
        - other passage: The weavers bought their freedom for nine hundred guilders.
        - other language: Streitigkeiten werden durch ein Schiedsgericht in Hamburg entschieden.
    """,
    "weather": """
        + verbatim: Gusts of up to 85 kilometres an hour are possible along the coast.
        + close: On Thursday a low over the Irish Sea brings rain to the western counties.
        + paraphrase: The east gets hardly any rain, and temperatures there peak at 14 degrees.
        + paraphrase: It will probably freeze on Saturday or Sunday, for the first time this autumn.
        + paraphrase: Mist could develop in a few of the valleys during the night.
        + two sentences: The western counties get rain on Thursday, and fog may form in some \
            valleys overnight.
        + short answer: 14 degrees
        + other language: Du brouillard peut se former dans certaines vallées pendant la nuit.
        - wrong number: Gusts of up to 58 kilometres an hour are possible along the coast.
        - wrong name: A low over the Baltic Sea brings rain to the western counties on Thursday.
        - swapped roles: The west stays mostly dry, and the rain falls on the eastern counties.
        - too strong: Fog will form in all valleys overnight.
        - half true: From Friday, colder air pushes the rain away and brings snow to the hills.
        - negated: The first frost of the autumn is not likely at the weekend.
        - invention: Boat services along the coast are cancelled on Thursday.
    """,
    "biology": """
        + verbatim: Some hosts recognise the foreign egg and throw it out.
        + close: The common cuckoo lays its eggs in other birds' nests, often those of reed \
            warblers.
        + paraphrase: As a rule the cuckoo chick is the first to leave its egg, and it shoves the \
            remaining ones out.
        + paraphrase: Full-grown cuckoos feed on hairy caterpillars, a diet that few birds share.
        + paraphrase: Even a chick that has outgrown its foster parents is still fed by them.
        + two sentences: The foster parents feed the young cuckoo for about three weeks, and adult \
            cuckoos spend the winter in central Africa.
        + short answer: reed warblers
        - wrong number: The foster parents feed the young cuckoo for about eight weeks.
        - wrong name: Adult cuckoos spend the winter in southern Spain.
        - swapped roles: Reed warblers often lay their eggs in the nests of cuckoos.
        - negated: Adult cuckoos do not eat hairy caterpillars.
        - too strong: Every host recognises the foreign egg and throws it out.
        - invention: The call of the cuckoo is heard from April to July.
        - other passage: Dark dust from the plains speeds up melting.
        - other language: Die Pflegeeltern füttern den jungen Kuckuck nur, solange er kleiner ist \
            als sie.
    """,
    "travel": """
        + verbatim: Couchettes must be reserved; ordinary seats need no reservation.
        + close: From the station in Porto Alto, bus 9 runs to the harbour every twenty minutes.
        + paraphrase: It can happen that border officers wake travellers to check their papers.
        + paraphrase: Animals that are muzzled pay half price, if they are dogs.
        + paraphrase: Those who travel in the sleeping car get breakfast without paying extra.
        + two sentences: The night train to Porto Alto leaves Verano at 21:40, and couchettes must \
            be reserved.
        + short answer: 21:40
        - wrong number: 8:50 the next morning
        - wrong name: The night train to Porto Alto leaves Lindau at 21:40.
        - swapped roles: The night train leaves Porto Alto at 21:40 and arrives in Verano at 8:15.
        - too strong: The border police always wake passengers to see their passports.
        - negated: Breakfast is not included in the sleeping car.
        - half true: Bus 9 goes to the harbour every twenty minutes and stops at the museum.
        - other passage: The tower is 38 metres high, and visitors may climb it on Sundays.
        - other language: Le petit-déjeuner est compris dans les couchettes.
    """,
    "kitchen": """
        + verbatim: The pan suits induction hobs and ovens, but not microwaves.
        + close: A cast-iron pan should be dried at once when it has been washed, because it rusts.
        + paraphrase: Leaving tomato sauce to simmer for hours can harm the surface.
        + paraphrase: To restore the coating, oil the pan thinly and keep it at 240 degrees for 60 \
            minutes.
        + paraphrase: Do not put the pan into a microwave.
        + two sentences: The 28-centimetre model weighs 3.1 kilograms, and the pan suits induction \
            hobs.
        + short answer: 3.1 kilograms
        - wrong number: The 28-centimetre model weighs 2.4 kilograms.
        - wrong name: Rub the pan with a thin layer of olive oil.
        - swapped roles: The pan suits microwaves, but not induction hobs and ovens.
        - negated: A cast-iron pan should not be dried after washing.
        - too strong: All acidic sauces damage the coating, however briefly they cook.
        - half true: The 28-centimetre model comes with a glass lid and a guarantee of ten years.
        - other passage: Bake the loaf at 230 degrees for the first quarter of an hour.
        - other language: La poêle peut être utilisée dans un four à micro-ondes.
    """,
    "minutes": """
        + verbatim: Some members complained about noise from the workshop.
        + close: The decision about beehives was put off until the meeting in November.
        + paraphrase: Two of the nine board members were missing on 14 September.
        + paraphrase: A majority voted to raise the annual fee to 45 euros.
        + paraphrase: Nothing was decided about the beehives; that has to wait until November.
        + two sentences: Petra Nolan proposed a second water tank, and the rise of the yearly fee \
            to 45 euros was approved.
        + short answer: five votes to two
        + other language: Samir Patel übernimmt im Januar das Amt des Schatzmeisters.
        - wrong number: 54 euros
        - wrong name: Idris Cole takes over as treasurer in January.
        - swapped roles: Petra Nolan takes over as treasurer from Samir Patel in January.
        - too strong: The rise of the yearly fee was approved by everyone who was present.
        - negated: The decision on beehives was not put off.
        - half true: Idris Cole offered to ask for three quotes and to dig the trench.
        - other passage: A hive that has lost its queen should be united with another.
    """,
}


def _claims() -> Iterator[Claim]:
    for place, (evidence, table) in enumerate(_TABLES.items()):
        split: Literal["fit", "test"] = "test" if place % 2 else "fit"
        for line in table.strip().splitlines():
            mark, kind_and_text = line.strip().split(" ", 1)
            kind, text = kind_and_text.split(": ", 1)
            yield Claim(evidence, " ".join(text.split()), mark == "+", kind, split)


CLAIMS: tuple[Claim, ...] = tuple(_claims())
