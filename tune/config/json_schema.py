"""Generate the JSON Schema of a search file, which editors use for completion."""

import json
from typing import Any

from tune.config.parameters import all_parameters
from tune.config.search_file import SearchFile

_REFERENCE = "#/$defs/"


def schema() -> dict[str, Any]:
    """Return the schema, with the shorthand `model: gru` and every parameter's name and meaning."""
    found = SearchFile.model_json_schema()
    definitions = found["$defs"]
    for properties in (found["properties"], definitions["SearchConfig"]["properties"]):
        for name, known in properties.items():
            properties[name] = _or_name_alone(known, definitions)
    space = found["properties"]["space"]
    distribution = space.pop("additionalProperties")
    space["properties"] = {
        name: {**distribution, "description": parameter.description}
        for name, parameter in all_parameters().items()
    }
    space["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def schema_text() -> str:
    """Return the schema as the text of `search_spaces/schema.json`."""
    return json.dumps(schema(), indent=2) + "\n"


def _or_name_alone(known: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Allow a section that has a name to be written as that name alone."""
    target = known.get("$ref", "").removeprefix(_REFERENCE)
    name = definitions.get(target, {}).get("properties", {}).get("name")
    if name is None:
        return known
    rest = {key: value for key, value in known.items() if key != "$ref"}
    alone = {key: value for key, value in name.items() if key in ("type", "enum")}
    return {"anyOf": [alone, {"$ref": known["$ref"]}], **rest}
