"""Headless Chromium, where there is one."""

import pathlib
import shutil
import subprocess

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LIGHT, DARK = 1, 0  # of Blink's preferredColorScheme


def run(page, profile, *options):
    words = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             "--enable-logging=stderr", f"--user-data-dir={profile}", *options, pathlib.Path(page).as_uri()]
    return subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=180, check=True)


def dom(page, profile):
    """The document after everything in it that runs has run, and what went to the console."""
    done = run(page, profile, "--dump-dom")
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def screenshot(page, profile, out, width, height, scheme):
    run(page, profile, f"--screenshot={out}", f"--window-size={width},{height}",
        f"--blink-settings=preferredColorScheme={scheme}")
