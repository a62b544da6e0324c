"""What runs is what was reviewed."""

from collections.abc import Iterator

from policies.examples import DEPLOYMENT
from policies.inputs import plain_texts
from policies.rule import Level, Options, Place, Problem, Rule
from policies.view import Release, Resource, Workload


def judge(resource: Resource, _options: Options) -> Iterator[Problem]:
    shown = {plain.place for plain in resource.plain}
    for place, image in _images(resource):
        if _floats(image):
            words = image if place in shown else f"at {'.'.join(map(str, place))}"  # a secret is not for a finding
            yield Problem(f"image {words} is whatever its name stands for today", place)


def _images(resource: Resource) -> Iterator[tuple[Place, str]]:
    view = resource.view
    if isinstance(view, Workload):
        for container in view.containers:
            yield (*container.place, "image"), container.image
    elif isinstance(view, Release):
        for plain in plain_texts(view.values, ("values",)):
            if plain.text is None or plain.key in _NO_IMAGE:
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
