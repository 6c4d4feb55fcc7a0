"""What a recipe says of its sources together."""

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from rzen.data.sources.spec import SourceSpec


class MixtureSpec(BaseModel):
    """What is trained on: the ``[[source]]`` tables of a recipe, and how they are mixed."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    sources: tuple[SourceSpec, ...] = Field((), alias="source", description="the sources")
    merge: tuple[str, ...] = Field(
        (), description="tasks whose rows are one group, whatever source they are of"
    )
    by_direction: bool = Field(
        False, description="groups are divided by the modalities of query and positive"
    )
    weights: dict[str, PositiveFloat] = Field(
        default_factory=dict, description="group -> how many batches it gets; 1 where not given"
    )
    tasks: tuple[str, ...] = Field(
        (), description="the tasks there are; rows of others are left out; empty: any"
    )
    instructions: dict[str, str] = Field(
        default_factory=dict, description="task -> instruction of queries that have none"
    )
    document_instructions: dict[str, str] = Field(
        default_factory=dict, description="task -> instruction of documents that have none"
    )
