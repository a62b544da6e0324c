"""The server that the engine asks about resources: the SDK's, but for how it reads them.

pulumi-policy 1.21.0 reads a resource anew for every policy, which made a preview of 1,000 resources twice as long; it
hands inputs over without the marks of secrets, and drops a policy that reads an unknown value with an advisory word.
`Analyzer` reads a resource once for all policies and keeps both: rules then see a secret as one, and CP001 refuses what
isn't known, at its own level. Levels, options and violations are still the SDK's, but a rule that always holds can't be
disabled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from pulumi.runtime.proto.analyzer_pb2 import AnalyzeResponse, RemediateResponse
from pulumi_policy import EnforcementLevel, Policy, ResourceValidationPolicy, StackValidationPolicy
from pulumi_policy import proxy as sdk
from pulumi_policy.deserialize import SPECIAL_SECRET_SIG, SPECIAL_SIG_KEY
from pulumi_policy.policy import _PolicyAnalyzerServicer

from policies.engine import Question, application_of
from policies.inputs import UNKNOWN, Secret, hidden
from policies.reading import of_pulumi
from policies.registry import RULES
from policies.view import Resource, Stack

if TYPE_CHECKING:
    from pulumi.runtime.proto.analyzer_pb2 import AnalyzeRequest, AnalyzerResource, AnalyzeStackRequest

__all__ = ["Analyzer"]

_Kind: TypeAlias = "type[ResourceValidationPolicy | StackValidationPolicy]"
_UNKNOWNS = {value for name, value in vars(sdk).items() if name.startswith("UNKNOWN_")}


class Analyzer(_PolicyAnalyzerServicer):
    """Stands where the SDK looks for its own server."""

    def __init__(self, name: str, version: str, policies: list[Policy], *more: Any) -> None:  # noqa: ANN401 - the SDK's
        super().__init__(name, version, policies, *more)
        self._policies = policies

    def Analyze(self, request: AnalyzeRequest, _context: object) -> AnalyzeResponse:  # noqa: N802 - gRPC's name
        """Ask every policy that judges one resource."""
        resource = _read(request)
        return self._asked(ResourceValidationPolicy, resource, {id(resource): request.urn})

    def AnalyzeStack(self, request: AnalyzeStackRequest, _context: object) -> AnalyzeResponse:  # noqa: N802 - gRPC's name
        """Ask every policy that judges all resources together."""
        resources = [_read(each) for each in request.resources]
        urns = {id(resource): each.urn for resource, each in zip(resources, request.resources, strict=True)}
        stack = Stack(tuple(resources), application_of(_stack_of(urns)))
        return self._asked(StackValidationPolicy, stack, urns)

    def Remediate(self, _request: AnalyzeRequest, _context: object) -> RemediateResponse:  # noqa: N802 - gRPC's name
        """Nothing, which the engine asks for before each `Analyze`: no rule can mend anything."""
        return RemediateResponse()

    def _asked(self, kind: _Kind, subject: Resource | Stack, urns: dict[int, str]) -> AnalyzeResponse:
        response, stack = AnalyzeResponse(), _stack_of(urns)
        for policy in self._policies:
            level = self._get_enforcement_level(policy)
            if level is EnforcementLevel.DISABLED and RULES[policy.name].always:
                level = EnforcementLevel.ADVISORY  # the engine's configuration is no way past `load_config`
            if level is EnforcementLevel.DISABLED or not isinstance(policy, kind):
                continue
            if level is EnforcementLevel.REMEDIATE:
                level = EnforcementLevel.MANDATORY
            report = self._create_report_violation(response, policy.name, policy.description, level, policy.severity)
            question: Any = Question(subject, stack, urns, self._get_policy_config(policy.name) or {})
            policy.validate(question, report)
        return response


def _stack_of(urns: dict[int, str]) -> str:
    """The name of the stack that these are of: a pack is told it by nothing else."""
    return next(iter(urns.values()), "").removeprefix("urn:pulumi:").partition("::")[0]


def _read(request: AnalyzeRequest | AnalyzerResource) -> Resource:
    inputs = _map(request.properties)
    # SDKs send an output that isn't known without its mark of a secret; these names are sent in any case.
    for key in set(request.options.additionalSecretOutputs) & inputs.keys():
        inputs[key] = hidden(inputs[key])
    return of_pulumi(request.type, request.name, inputs)


def _map(struct: Any) -> dict[str, Any]:  # noqa: ANN401 - protobuf has no types
    return {key: _value(each) for key, each in struct.fields.items()}


def _value(message: Any) -> Any:  # noqa: ANN401 - as above
    """A value as plain data in which what is unknown or secret is marked; all numbers come as floating-point ones."""
    match message.WhichOneof("kind"):
        case "string_value":
            text = message.string_value
            return UNKNOWN if text in _UNKNOWNS else text
        case "number_value":
            number = message.number_value
            return int(number) if number.is_integer() else number
        case "bool_value":
            return message.bool_value
        case "list_value":
            return [_value(each) for each in message.list_value.values]
        case "struct_value":
            value = _map(message.struct_value)
            return Secret(value.get("value")) if value.get(SPECIAL_SIG_KEY) == SPECIAL_SECRET_SIG else value
    return None
