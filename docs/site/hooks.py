"""What mkdocs does beside Markdown: figures, generated tables, equations, two languages.

- ``<!-- figure: NAME -->`` becomes a picture that ``guide_figures`` draws from results/ or, where
  there is no run, from results/reference. The line below it, in italics, is its caption.
- ``<!-- generated: NAME -->`` becomes a table or a page of ``generated``.
- ``<!-- slider: gradient -->`` becomes the sliders of slider.js.
- ``$..$`` becomes MathML.
- Pages ``NAME.ja.md`` are Japanese: lines of a paragraph are joined without a space, and each page
  leads to the same one in the other language.
"""

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import equations
import generated
import guide_figures
from mkdocs.structure.files import File

FIGURE = re.compile(r"<!-- figure: (\w+) -->\n\*([^\n]+?)\*(?:\n|$)")
GENERATED = re.compile(r"<!-- generated: ([\w-]+) -->")
SLIDER = re.compile(r"<!-- slider: gradient -->")
COMMENT = re.compile(r"<!--.*?-->", flags=re.DOTALL)
WIDE = r"[\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef]"  # a Japanese letter or mark
_equations: dict[str, list[str]] = {}


def on_files(files: Any, config: Any) -> Any:
    """Add the drawn figures, and the folders of the project that pages show."""
    for name in guide_figures.PANELS:
        files.append(File.generated(config, f"figures/{name}.svg", content=guide_figures.svg(name)))
    for name in ("style.css", "slider.js"):
        path = Path(__file__).with_name(name)
        files.append(File.generated(config, name, abs_src_path=str(path)))
    for path in generated.experiment_figures():
        files.append(File.generated(config, f"figures/{path.name}", abs_src_path=str(path)))
    for name in generated.experiments():
        files.append(
            File.generated(config, f"results/{name}.md", content=generated.experiment_page(name))
        )
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Markers, equations and comments, before Markdown is made HTML."""
    path = page.file.src_uri
    up = "../" * path.count("/")

    def figure(match: re.Match[str]) -> str:
        if match[1] not in guide_figures.PANELS:
            raise KeyError(f"{path}: no figure {match[1]!r}")
        alt = re.sub(r"[\[\]$\\*`]", "", COMMENT.sub("", match[2]))
        return f"![{alt}]({up}figures/{match[1]}.svg){{ .panel }}\n\n*{match[2]}*\n{{ .caption }}\n"

    text = FIGURE.sub(figure, markdown)
    language = "ja" if path.endswith(".ja.md") else "en"
    text = SLIDER.sub(f'<div class="slider" data-lang="{language}"></div>', text)
    text = GENERATED.sub(lambda m: generated.page(m[1]), text)
    text, _equations[path] = equations.stash(text, equations.mathml)
    text = COMMENT.sub("", text)
    if path.endswith(".ja.md"):
        text = re.sub(rf"(?<={WIDE})\n(?=[^\s#|>\-*`<!\[]|\[)", "", text)
    return _links(text, path)


def _links(text: str, path: str) -> str:
    """Links out of docs/ lead to what the site has of it, or become plain words."""
    kept = {"README.md": "project.md", "ARCHITECTURE.md": "explanation/architecture.md"}
    up = "../" * path.count("/")

    def one(match: re.Match[str]) -> str:
        words, target = match[1], match[2].partition("#")[0]
        if not target.startswith("../") or "://" in target:
            return match[0]
        depth = len(Path(path).parent.parts)
        climbs = target.count("../")
        if climbs <= depth:
            return match[0]
        name = target.replace("../", "")
        return f"[{words}]({up}{kept[name]})" if name in kept else words

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", one, text)


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Equations back in, and the way to the other language."""
    path = page.file.src_uri
    html = equations.restore(html, _equations.pop(path, []))
    if not path.startswith("guide/"):
        return html
    japanese = path.endswith(".ja.md")
    other = path.replace(".ja.md", ".md") if japanese else path.replace(".md", ".ja.md")
    target = files.get_file_from_path(other)
    if target is None:
        return html
    words, code = ("English", "en") if japanese else ("日本語", "ja")
    link = (
        f'<a lang="{code}" hreflang="{code}" href="{target.url_relative_to(page.file)}">{words}</a>'
    )
    language = "ja" if japanese else "en"
    return f'<p class="language">{link}</p>\n<div lang="{language}">{html}</div>'
