"""Every attack, by class."""

from __future__ import annotations

from tests.redteam import answers, forging, host, judge, knowing, leaving, models, readers, resources
from tests.redteam.attack import Attack

CLASSES: dict[str, list[Attack]] = {
    "leaving early, and lingering": leaving.ATTACKS,
    "corrupting the judge": judge.ATTACKS,
    "answers that are not answers": answers.ATTACKS,
    "knowing the test": knowing.ATTACKS,
    "forging results": forging.ATTACKS,
    "saved models": models.ATTACKS,
    "resources": resources.ATTACKS,
    "the host": host.ATTACKS,
    "whoever reads the results": readers.ATTACKS,
}

ATTACKS = {attack.name: attack for attacks in CLASSES.values() for attack in attacks}
CLASS_OF = {attack.name: title for title, attacks in CLASSES.items() for attack in attacks}
assert len(ATTACKS) == sum(map(len, CLASSES.values())), "two attacks have one name"
