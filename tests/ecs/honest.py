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
import xml.etree.ElementTree

import botocore.parsers
import botocore.session
import botocore.utils
from botocore.validate import ParamValidator

# What any operation may be refused with; the models list only the service's own errors.
COMMON_ERRORS = {
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredTokenException",
    "InternalFailure",
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
    form = urllib.parse.parse_qsl(call["request"], keep_blank_values=True, strict_parsing=True)
    fields = {tuple(key.split(".")): text for key, text in form if key not in ("Action", "Version")}
    body, wrong = from_form(fields, operation.input_shape, "")
    wrong += ParamValidator().validate(body, operation.input_shape).generate_report().splitlines()
    if ("Version", operation.service_model.api_version) not in form:
        wrong.append(f"is not of version {operation.service_model.api_version}")
    wrong += walk(body, operation.input_shape, "", closed=False)
    return [f"request: {line}" for line in wrong]


def from_form(fields, shape, path):
    """The value that the fields of a form stand for, and what in them is not as `shape` has it."""
    if shape.type_name not in ("structure", "list"):
        return scalar(fields.get((), ""), shape), []
    value, wrong = {}, []
    for name, inner in below(fields).items():
        if shape.type_name == "list":
            # Members are numbered from one: `Targets.member.1.Id`.
            found = [from_form(item, shape.member, path) for item in below(inner).values()] if name == "member" else []
            wrong += [line for _, more in found for line in more] if found else [f"unknown {path}.{name}"]
            value |= {len(value) + n: item for n, (item, _) in enumerate(found)}
        elif name in shape.members:
            value[name], more = from_form(inner, shape.members[name], f"{path}.{name}".lstrip("."))
            wrong += more
        else:
            wrong.append(f"unknown {path}.{name}".replace(" .", " "))
    return (list(value.values()) if shape.type_name == "list" else value), wrong


def below(fields):
    """The fields by their first part."""
    inner = collections.defaultdict(dict)
    for key, text in fields.items():
        inner[key[0] if key else ""][key[1:]] = text
    return inner


def scalar(text, shape):
    if shape.type_name in ("integer", "long"):
        return int(text) if text.lstrip("-").isdigit() else text
    return {"true": True, "false": False}.get(text, text) if shape.type_name == "boolean" else text


def query_answer(call, operation):
    parser = botocore.parsers.create_parser("query")
    if call["status"] != 200:
        response = {"body": call["answer"].encode(), "headers": {}, "status_code": call["status"]}
        error = parser.parse(response, operation.output_shape)["Error"]
        return refusal(error["Code"], error["Message"], operation)
    top = xml.etree.ElementTree.fromstring(call["answer"])
    results = [part for part in top if plain(part) == f"{operation.name}Result"]
    if len(results) != 1:
        return [f"answer: has no {operation.name}Result"]
    value = from_xml(results[0], operation.output_shape)
    return [f"answer: {line}" for line in walk(value, operation.output_shape, "", closed=True)]


def plain(element):
    return element.tag.rsplit("}", 1)[-1]


def from_xml(element, shape):
    """The value that an element stands for. What `shape` does not know is kept, for it to be found."""
    if shape.type_name == "structure":
        members = shape.members
        return {plain(e): from_xml(e, members[plain(e)]) if plain(e) in members else e.text for e in element}
    if shape.type_name == "list":
        return [from_xml(e, shape.member) if plain(e) == "member" else {"is": plain(e)} for e in element]
    if shape.type_name == "timestamp":
        return botocore.utils.parse_timestamp(element.text).timestamp()
    return scalar(element.text or "", shape)


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
    return all(not judge(good) and all(judge(good | change) for change in bad) for good, bad in SAMPLES)


OK = {"status": 200, "doctored": False}
HEALTH = "Action=DescribeTargetHealth&Version=2015-12-01&TargetGroupArn=a"
TARGETS = "<r><DescribeTargetHealthResult><TargetHealthDescriptions><member>"
TARGETS += "<Target><Id>10.0.0.1</Id><Port>80</Port></Target>"
TARGETS += "<TargetHealth><State>initial</State><Reason>Elb.RegistrationInProgress</Reason></TargetHealth></member>"
TARGETS += "</TargetHealthDescriptions></DescribeTargetHealthResult></r>"
IMAGE = '{"registryId":"111122223333","repositoryName":"app","imageIds":[{"imageTag":"b"}]}'
# Calls as they should be, and what makes each wrong.
SAMPLES = [
    (
        OK | {"service": "ecs", "op": "DescribeServices"}
        | {"request": '{"services":["a"]}', "answer": '{"services":[{"status":"ACTIVE","createdAt":1.5}]}'},
        [
            {"answer": '{"services":[{"createdAt":"today"}]}'},
            {"answer": '{"services":[{"launchType":"MOON"}]}'},
            {"answer": '{"services":[{"nonsense":1}]}'},
            {"answer": '{"__type":"MoonException","message":"no"}', "status": 400},
            {"request": '{"services":["a"],"force":true}'},
            {"request": '{"cluster":"c"}'},
            {"request": '{"services":["a"],"tomorrow":true}'},
            {"op": "DescribeMoon"},
        ],
    ),
    (
        OK | {"service": "elasticloadbalancing", "op": "DescribeTargetHealth", "request": HEALTH, "answer": TARGETS},
        [
            {"answer": TARGETS.replace("initial", "moonlit")},
            {"answer": TARGETS.replace("Elb.Reg", "Moon.Reg")},
            {"answer": TARGETS.replace(">80<", ">eighty<")},
            {"answer": TARGETS.replace("Target>", "Moon>")},
            {"answer": TARGETS.replace("DescribeTargetHealthResult", "Moon")},
            {"answer": "<r><Error><Code>Moon</Code><Message>no</Message></Error></r>", "status": 400},
            {"request": HEALTH.replace("&TargetGroupArn=a", "")},
            {"request": HEALTH.replace("2015-12-01", "2012-06-01")},
            {"request": f"{HEALTH}&Moon=1"},
            {"request": f"{HEALTH}&Targets.member.1.Moon=1"},
            {"request": f"{HEALTH}&Targets.member.1.Port=80"},
        ],
    ),
    (
        OK | {"service": "ecr", "op": "DescribeImages"}
        | {"request": IMAGE, "answer": '{"imageDetails":[{"imageTags":["b"]}]}'},
        [
            {"answer": '{"imageDetails":[{"imageTags":"b"}]}'},
            {"answer": '{"imageDetails":[{"moon":1}]}'},
            {"answer": '{"__type":"MoonException","message":"no"}', "status": 400},
            {"request": IMAGE.replace("imageTag", "tag")},
            {"request": '{"imageIds":[]}'},
        ],
    ),
]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
