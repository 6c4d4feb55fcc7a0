"""Model soups: several trained models averaged into one, which costs no more than any of them.

Wortsman et al., 2022, arXiv 2203.05482; RzenEmbed averages three adapters of three mixtures.
"""

from rzen.training.soup.mixing import soup as soup
from rzen.training.soup.outcome import Ingredient as Ingredient
from rzen.training.soup.outcome import Souped as Souped
from rzen.training.soup.outcome import Step as Step
from rzen.training.soup.selection import greedy as greedy
