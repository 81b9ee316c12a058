"""What a dashboard must be like to be drawn: the parts that are read, and of which kind each is.

A file of somebody's own is held against it first, so that what is wrong gets one sentence with the
place, and drawings need not doubt what they read. Parts that are not named here are not read.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from mlobs.dashboards.preview.fields import set_at
from mlobs.errors import DataError

DRAWN = frozenset(
    {"stat", "timeseries", "table", "state-timeline", "status-history", "bargauge", "heatmap", "text"}
)
Text = str | None
Number = float | None
Switch = bool | None
Texts = list[str] | None
Place = Annotated[int, Field(ge=0, le=10_000)]
Columns = Annotated[int, Field(ge=0, le=24)]


class Part(BaseModel):
    """An object of the classic schema, as far as it is read."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False, alias_generator=to_camel)


class Link(Part):
    """Where a click leads."""

    url: Text = None
    title: Text = None


class Step(Part):
    """From which value on a colour is taken."""

    value: Number = None
    color: Text = None


class Thresholds(Part):
    """Colours by value."""

    mode: Text = None
    steps: list[Step] | None = None


class Mode(Part):
    """A choice by its name, with what belongs to it."""

    mode: Text = None
    group: Text = None
    fixed_color: Text = None
    type: Text = None
    log: Number = Field(None, gt=1)
    fill: Text = None
    dash: list[float] | None = None


class Hidden(Part):
    """Where a series does not appear."""

    legend: Switch = None
    viz: Switch = None


class Custom(Part):
    """How a kind of panel draws a column."""

    draw_style: Text = None
    line_interpolation: Text = None
    line_width: Number = None
    fill_opacity: Number = None
    span_nulls: bool | float | None = None
    insert_nulls: bool | float | None = None
    stacking: Mode | None = None
    line_style: Mode | None = None
    scale_distribution: Mode | None = None
    thresholds_style: Mode | None = None
    hide_from: Hidden | None = None
    axis_placement: Text = None
    axis_soft_min: Number = None
    axis_soft_max: Number = None
    align: Text = None
    width: Number = None
    min_width: Number = None
    cell_options: Mode | None = None
    display_mode: Text = None
    hidden: Switch = None


class Mapped(Part):
    """Texts for values."""

    type: Text = None
    options: dict[str, Any] | None = None


class Defaults(Part):
    """How a column is shown."""

    unit: Text = None
    decimals: Annotated[int, Field(ge=0, le=15)] | None = None
    min: Number = None
    max: Number = None
    display_name: Text = None
    description: Text = None
    no_value: Text = None
    color: Mode | None = None
    thresholds: Thresholds | None = None
    mappings: list[Mapped] | None = None
    links: list[Link] | None = None
    custom: Custom | None = None


class Matcher(Part):
    """Which columns an override means."""

    id: str
    options: Any = None


class Property(Part):
    """What an override says of them."""

    id: str
    value: Any = None


class Override(Part):
    """How some columns are shown."""

    matcher: Matcher
    properties: list[Property]


class FieldConfig(Part):
    """How columns are shown."""

    defaults: Defaults | None = None
    overrides: list[Override] | None = None


class Grid(Part):
    """Where a panel stands."""

    x: Columns = 0
    y: Place = 0
    w: Columns = 24
    h: Place = 8


class Legend(Part):
    """How a legend is shown."""

    show_legend: Switch = None
    display_mode: Text = None
    placement: Text = None
    calcs: Texts = None


class Reduced(Part):
    """How many values become one."""

    calcs: Texts = None
    fields: Text = None
    values: Switch = None


class Sorted(Part):
    """By what rows are sorted."""

    display_name: Text = None
    field: Text = None
    desc: Switch = None


class Axis(Part):
    """The axis of a heatmap."""

    unit: Text = None


class Options(Part):
    """The options of the kinds of panel that are drawn."""

    legend: Legend | None = None
    reduce_options: Reduced | None = None
    content: Text = None
    mode: Text = None
    orientation: Text = None
    graph_mode: Text = None
    text_mode: Text = None
    color_mode: Text = None
    show_value: Text = None
    row_height: Number = None
    sort_by: list[Sorted] | None = None
    y_axis: Axis | None = None


class Chosen(Part):
    """Columns by their names."""

    names: Texts = None
    pattern: Text = None


class TransformationOptions(Part):
    """The options of the transformations that are done."""

    exclude_by_name: dict[str, bool] | None = None
    index_by_name: dict[str, int] | None = None
    rename_by_name: dict[str, str] | None = None
    include: str | Chosen | None = None
    exclude: str | Chosen | None = None
    sort: list[Sorted] | None = None
    limit_field: Annotated[int, Field(ge=0)] | None = None
    reducers: Texts = None
    by_field: Text = None
    value_label: Text = None


class Transformation(Part):
    """One step between answers and drawing."""

    id: str
    options: TransformationOptions | None = None


class Source(Part):
    """A data source."""

    type: Text = None


class Target(Part):
    """One query."""

    ref_id: Text = None
    datasource: Source | str | None = None
    expr: Text = None
    raw_sql: Text = None
    legend_format: Text = None
    format: str | int | None = None


class Panel(Part):
    """One panel, or a row with its own."""

    id: int | None = None
    type: str
    title: Text = None
    description: Text = None
    grid_pos: Grid | None = None
    datasource: Source | str | None = None
    targets: list[Target] | None = None
    transformations: list[Transformation] | None = None
    links: list[Link] | None = None
    field_config: FieldConfig | None = None
    time_from: Text = None
    interval: Text = None
    max_data_points: Annotated[int, Field(ge=1)] | None = None
    options: dict[str, Any] | None = None
    panels: list["Panel"] | None = None


class Current(Part):
    """What is chosen of a variable."""

    value: str | float | list[str] | None = None


class Asked(Part):
    """What a variable's values are asked with."""

    query: Text = None
    raw_sql: Text = None


class Variable(Part):
    """A variable."""

    name: str
    type: Text = None
    label: Text = None
    query: str | Asked | None = None
    current: Current | None = None
    include_all: Switch = None
    multi: Switch = None
    all_value: Text = None
    regex: Text = None
    hide: int | None = None
    datasource: Source | str | None = None


class Variables(Part):
    """All variables."""

    entries: list[Variable] | None = Field(None, alias="list")


class Note(Part):
    """An annotation."""

    name: Text = None
    enable: Switch = None
    expr: Text = None
    icon_color: Text = None
    title_format: Text = None
    step: Text = None


class Notes(Part):
    """All annotations."""

    entries: list[Note] | None = Field(None, alias="list")


class Range(Part):
    """The range of time."""

    begin: Text = Field(None, alias="from")


class Dashboard(Part):
    """A dashboard in the classic form."""

    title: Text = None
    description: Text = None
    panels: list[Panel]
    templating: Variables | None = None
    annotations: Notes | None = None
    links: list[Link] | None = None
    time: Range | None = None


def readable(dashboard: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a dashboard whose parts are what drawings read: without those that are null.

    Args:
        dashboard: As it was in the file.
        name: Of the file.

    Raises:
        DataError: The sentence names the part.
    """
    try:
        found = Dashboard.model_validate(dashboard)
        for panel in [inner for one in found.panels for inner in (one, *(one.panels or ()))]:
            if panel.type in DRAWN:
                Options.model_validate(panel.options or {})
            for override in (panel.field_config and panel.field_config.overrides) or ():
                for property_ in override.properties:
                    changed: dict[str, Any] = {}
                    set_at(changed, property_.id, property_.value)
                    Defaults.model_validate(changed)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        came = repr(first["input"])[:60]
        raise DataError(
            f"{name} cannot be drawn: at {place}, {came} came; {first['msg'][:120].lower()}. "
            f"Export the dashboard again with the classic schema."
        ) from None
    return {key: _without_nulls(part) for key, part in dashboard.items() if part is not None}


def _without_nulls(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: _without_nulls(inner) for key, inner in part.items() if inner is not None}
    return [_without_nulls(inner) for inner in part] if isinstance(part, list) else part
