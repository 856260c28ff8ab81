"""What a report may hold."""

import html.parser

TAGS = {"html", "meta", "title", "style", "main", "h1", "h2", "p", "b", "div", "span", "svg", "g",
        "text", "rect", "path", "line", "circle", "figure", "figcaption", "br", "table", "tr", "th",
        "td", "img", "pre", "ul", "li"}


class Page(html.parser.HTMLParser):
    """Every tag and attribute, and the visible text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.sources, self.text = set(), set(), [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name in ("src", "href", "xlink:href"):
                self.sources.append(value)

    def handle_data(self, data):
        self.text += data


def check_tags(page, more=()):
    assert page.tags <= TAGS | set(more), page.tags - TAGS
    assert not [a for a in page.attributes if a.startswith("on") or a in ("href", "style")]
    assert all(s.startswith("data:image/png;base64,") for s in page.sources)


def check_harmless(path):
    """The page, which has nothing that could run or fetch."""
    page = Page(path.read_text())
    check_tags(page)
    assert path.stat().st_size <= 300_000
    return page
