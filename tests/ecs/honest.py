"""Checks what the scripted ECS was asked and what it answered against AWS's own service models.

Reads the calls that the tests have recorded (lines of JSON) and exits with 1 where a request carries what the API does
not know, or an answer what AWS would not say. Fields whose names begin with `future` or `brandNew` stand for those that no
SDK knows yet. An answer that a test has changed on purpose is not checked; its request is.

Usage: honest.py DIRECTORY
"""

import collections
import json
import pathlib
import sys
import urllib.parse

import botocore.parsers
import botocore.session
from botocore.validate import ParamValidator

# What any operation may be refused with; the models list only the service's own errors.
COMMON_ERRORS = {
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredTokenException",
    "MissingAuthenticationTokenException",
    "SerializationException",
    "ThrottlingException",
    "UnrecognizedClientException",
    "ValidationError",
}
UNKNOWN_YET = ("future", "brandNew")
TYPES = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "double": (int, float),
    "float": (int, float),
    "timestamp": (int, float),
    "structure": dict,
    "list": list,
    "map": dict,
}


def main(directory):
    assert finds_what_is_wrong(), "the check itself is broken: it accepts an answer that is wrong"
    files = sorted(pathlib.Path(directory).glob("*.jsonl"))
    seen, complaints = collections.Counter(), []
    for file in files:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            call = json.loads(line)
            seen[f"{call['service']}:{call['op']}"] += 1
            complaints += [f"{file.name}:{number} {call['op']}: {text}" for text in judge(call)]
    for name, count in sorted(seen.items()):
        print(f"{count:6} {name}")
    print(f"{sum(seen.values())} calls, {len(complaints)} complaints")
    print("\n".join(sorted(complaints)[:50]))
    if not seen:
        print(f"no call is recorded in {directory}: run the tests first")
    return 1 if complaints or not seen else 0


def judge(call):
    """All that is wrong with a call, as text."""
    model = service_model(call["service"])
    if call["op"] not in model.operation_names:
        return ["is no operation of " + call["service"]]
    operation = model.operation_model(call["op"])
    if model.protocol == "query":
        return query_request(call, operation) + query_answer(call, operation)
    return json_request(call, operation) + json_answer(call, operation)


MODELS = {}


def service_model(service):
    name = {"elasticloadbalancing": "elbv2"}.get(service, service)
    if name not in MODELS:
        MODELS[name] = botocore.session.get_session().get_service_model(name)
    return MODELS[name]


def json_request(call, operation):
    body = without_future(json.loads(call["request"]))
    wrong = ParamValidator().validate(body, operation.input_shape).generate_report().splitlines()
    # The validator does not look at enumerations.
    wrong += walk(body, operation.input_shape, "", closed=False)
    return [f"request: {line}" for line in wrong]


def json_answer(call, operation):
    if call["doctored"]:
        return []
    body = json.loads(call["answer"])
    if call["status"] != 200:
        return refusal(body.get("__type"), body.get("message"), operation)
    return [f"answer: {line}" for line in walk(without_future(body), operation.output_shape, "", closed=True)]


def refusal(code, message, operation):
    known = {shape.metadata.get("error", {}).get("code", shape.name) for shape in operation.error_shapes}
    known |= {shape.name for shape in operation.error_shapes} | COMMON_ERRORS
    wrong = [] if code in known else [f"answer: refuses with {code}, which it never does"]
    return wrong if isinstance(message, str) and message else wrong + ["answer: refuses without a message"]


def query_request(call, operation):
    form = dict(urllib.parse.parse_qsl(call["request"], keep_blank_values=True, strict_parsing=True))
    named = {key.split(".")[0] for key in form} - {"Action", "Version"}
    unknown = named - set(operation.input_shape.members)
    lacking = set(operation.input_shape.required_members) - named
    return [f"request: unknown {name}" for name in unknown] + [f"request: lacks {name}" for name in lacking]


def query_answer(call, operation):
    parser = botocore.parsers.create_parser("query")
    response = {"body": call["answer"].encode(), "headers": {}, "status_code": call["status"]}
    parsed = parser.parse(response, operation.output_shape)
    if call["status"] != 200:
        return refusal(parsed["Error"]["Code"], parsed["Error"]["Message"], operation)
    parsed.pop("ResponseMetadata")
    return [] if parsed else ["answer: says nothing that the model knows"]


def walk(value, shape, path, closed):
    """What in `value` is not as `shape` has it. `closed`: members that it does not know are wrong."""
    here = path or "top"
    expected = TYPES.get(shape.type_name)
    if expected and (not isinstance(value, expected) or (isinstance(value, bool) and shape.type_name != "boolean")):
        return [f"{here} is {type(value).__name__}, not {shape.type_name}"]
    if shape.type_name == "string" and shape.enum and value not in shape.enum:
        return [f"{here} is {value!r}, none of {shape.enum}"]
    if shape.type_name == "list":
        return [line for n, item in enumerate(value) for line in walk(item, shape.member, f"{path}[{n}]", closed)]
    if shape.type_name == "map":
        return [line for key, item in value.items() for line in walk(item, shape.value, f"{path}.{key}", closed)]
    if shape.type_name != "structure":
        return []
    wrong = [f"{here} lacks {name}" for name in shape.required_members if name not in value]
    for key, item in value.items():
        if key in shape.members:
            wrong += walk(item, shape.members[key], f"{path}.{key}".lstrip("."), closed)
        elif closed:
            wrong.append(f"{here} has {key}, which the API does not know")
    return wrong


def without_future(value):
    if isinstance(value, dict):
        return {key: without_future(item) for key, item in value.items() if not key.startswith(UNKNOWN_YET)}
    return [without_future(item) for item in value] if isinstance(value, list) else value


def finds_what_is_wrong():
    """Wrong answers and requests are found: otherwise silence means nothing."""
    good = {"service": "ecs", "op": "DescribeServices", "status": 200, "doctored": False}
    good |= {"request": '{"services":["a"]}', "answer": '{"services":[{"status":"ACTIVE","createdAt":1.5}]}'}
    bad = [
        {"answer": '{"services":[{"createdAt":"today"}]}'},
        {"answer": '{"services":[{"launchType":"MOON"}]}'},
        {"answer": '{"services":[{"nonsense":1}]}'},
        {"answer": '{"__type":"MoonException","message":"no"}', "status": 400},
        {"request": '{"services":["a"],"force":true}'},
        {"request": '{"cluster":"c"}'},
        {"request": '{"services":["a"],"tomorrow":true}'},
        {"op": "DescribeMoon"},
    ]
    return not judge(good) and all(judge(good | change) for change in bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
