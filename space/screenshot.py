"""The picture of the README and the model card: the demo on a real request. `python space/screenshot.py --out FILE`

Needs Chromium and the extra `browser`. The demo must be running; `make picture` starts it.
"""

import argparse
import shutil
import sys
import time

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 300  # seconds, for loading the model and for an answer


def take(address: str, request: str, filler: str, out: str, width: int, executable: str) -> None:
    """Ask the demo and photograph what it shows when it is done."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.set_default_timeout(1000 * PATIENCE)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                page.goto(address)
                break
            except Error:
                if time.monotonic() > end:
                    raise
                time.sleep(1)
        page.get_by_label("Request").fill(request)
        page.get_by_label(filler).check()
        page.locator("#run").click()
        page.locator("#status").get_by_text("Done", exact=True).wait_for()
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur()")
        page.screenshot(path=out, full_page=True, animations="disabled")
        browser.close()


def main() -> int:
    parser = argparse.ArgumentParser(description="Photograph the demo.")
    parser.add_argument("--address", default="http://127.0.0.1:7860")
    parser.add_argument("--request", default="What's the weather in Tokyo?")
    parser.add_argument("--filler", default="verified", choices=("verified", "diffusion", "autoregressive"))
    parser.add_argument("--width", type=int, default=1600)
    parser.add_argument("--out", required=True, metavar="FILE")
    options = parser.parse_args()
    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if executable is None:
        print(f"no Chromium was found ({', '.join(CHROMIUM)}); install one", file=sys.stderr)
        return 2
    take(options.address, options.request, options.filler, options.out, options.width, executable)
    return 0


if __name__ == "__main__":
    sys.exit(main())
