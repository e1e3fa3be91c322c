"""The order in which torchvision's `ImageFolder` has the pictures of nested folders: `image_folder_order.txt`, a path a line.

    python image_folder_order.py
"""

import tempfile
from pathlib import Path

from torchvision.datasets import ImageFolder

# Names that text orders otherwise than a walk does: a hyphen, a space and a dot come before a slash, letters after it.
FILES = """
b/2.png
b/10.png
b/B.png
b/a.jpg
b/x/1.png
b/x/y/1.png
b/x-y/1.png
b/x y/1.png
b/x.y/1.png
b/xy/1.png
b/X/1.png
b/é/1.png
b/z/1.JPEG
b-b/1.png
b b/1.png
B/1.png
10/1.png
9/1.png
é/1.png
"""

with tempfile.TemporaryDirectory() as root:
    for name in FILES.split("\n")[1:-1]:
        path = Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = [str(Path(path).relative_to(root)) for path, _ in ImageFolder(root).samples]
(Path(__file__).parent / "image_folder_order.txt").write_text("\n".join(found) + "\n")
