"""What runs is what was reviewed."""

from collections.abc import Iterator

from policies.examples import DEPLOYMENT
from policies.rule import Level, Options, Place, Problem, Rule
from policies.view import Release, Resource, Workload


def judge(resource: Resource, _options: Options) -> Iterator[Problem]:
    for place, image in _images(resource):
        if _floats(image):
            yield Problem(f"image {image} is whatever its name stands for today", place)


def _images(resource: Resource) -> Iterator[tuple[Place, str]]:
    view = resource.view
    if isinstance(view, Workload):
        for container in view.containers:
            yield (*container.place, "image"), container.image
    elif isinstance(view, Release):
        for plain in resource.plain:
            if plain.text is None or plain.place[0] != "values" or plain.key in _NO_IMAGE:
                continue
            if plain.key == "imageTag" or (plain.key == "tag" and str(plain.place[-2]).lower().endswith("image")):
                yield plain.place, f":{plain.text}"
            elif plain.key.startswith("image"):
                yield plain.place, plain.text


_NO_IMAGE = {"imagePullPolicy", "imagePullSecrets", "imageRegistry", "imageRepository"}


def _floats(image: str) -> bool:
    name, at, _ = image.partition("@")
    _, colon, tag = name.rpartition("/")[2].partition(":")
    return not at and (not colon or tag == "latest")


RULE = Rule(
    id="CP506",
    title="Images have a version",
    level=Level.MANDATORY,
    why="'latest' is another program tomorrow, and nobody reviews the change.",
    mend="Name a version, or better a digest.",
    judge=judge,
)

ALLOWED = DEPLOYMENT

REFUSED = DEPLOYMENT.replace(":1.20.3", ":latest")
