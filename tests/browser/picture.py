"""The picture of the page in README, cut out of what a browser test has seen: `make picture`."""

import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "comparison.webp"
WIDTH, HEIGHT = 880, 1360
#: A picture is loaded by everybody who opens the repository.
MOST_BYTES = 150_000


def main(page: Path) -> None:
    """Writes the upper part of a page, as wide as README shows it."""
    with Image.open(page) as whole:
        part = whole.convert("RGB").crop((0, 0, whole.width, whole.width * HEIGHT // WIDTH))
    part.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(PICTURE, quality=82, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
