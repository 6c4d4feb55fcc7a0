"""Elements of SVG that stand in a page's own markup.

A picture is built as a tree of elements, so that whatever a label holds is escaped. It has no style
attributes: colours come from the page's style sheet, by class.
"""

from xml.etree.ElementTree import Element, SubElement, tostring

from rzen.render.shown import shown


class Svg(str):
    """Markup that is whole and escaped; a template inserts it as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


def figure(label: str, name: str, width: float, height: float) -> Element:
    """A picture of its own, with its title for those who cannot see it.

    Args:
        label: what it shows, in words and figures.
        name: class for the style sheet.
        width: in pixels.
        height: in pixels.
    """
    size = {"width": number(width), "height": number(height)}
    view = f"0 0 {size['width']} {size['height']}"
    told = shown(label)
    picture = Element("svg", {"class": name, **size, "viewBox": view, "role": "img"})
    picture.set("aria-label", told)
    SubElement(picture, "title").text = told
    return picture


def add(parent: Element, tag: str, name: str, **attributes: float | str) -> Element:
    """An element inside of another.

    Args:
        parent: the one around it.
        tag: of SVG.
        name: class for the style sheet.
        **attributes: of SVG; ``text_anchor`` stands for ``text-anchor``.
    """
    values = {
        key.replace("_", "-"): value if isinstance(value, str) else number(value)
        for key, value in attributes.items()
    }
    return SubElement(parent, tag, {"class": name, **values})


def line(parent: Element, name: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A straight line from one point to another."""
    add(parent, "line", name, x1=start[0], y1=start[1], x2=end[0], y2=end[1])


def number(value: float) -> str:
    """A number as an attribute holds it: to a hundredth of a pixel.

    >>> number(12.0), number(1 / 3)
    ('12', '0.33')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".")


def markup(picture: Element) -> Svg:
    """The tree written out."""
    return Svg(tostring(picture, encoding="unicode"))
