"""Put the folder `search_spaces` into the wheel, as `tune/search_spaces`.

Everything else stands in pyproject.toml. There, `packages.find` cannot be combined with a package
whose folder lies elsewhere, and a list of all packages by hand would forget the next one.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["textcls*", "tune*"]), "tune.search_spaces"],
    package_dir={"tune.search_spaces": "search_spaces"},
)
