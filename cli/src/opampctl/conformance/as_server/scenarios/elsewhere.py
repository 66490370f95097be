"""Rows that nobody on the other end of the wire can judge."""

from __future__ import annotations

from opampctl.conformance.as_server.catalogue import untestable

_DEFAULT = "the address is given to the agent in every run"
_LOCAL = "it is a setting or a record of the agent's own"
_INSIDE = "it happens inside the agent"
_TLS = "it takes TLS with several authorities, which this suite does not set up"
_PROXY = "it takes a proxy, which this suite does not set up"
_OTLP = "what own telemetry means is not read here"
_LARGE = "an agent cannot be made to say something that large"
_GUIDE = "whether the agent is of this kind does not show on the wire"

untestable(
    {
        "C-002": _DEFAULT,
        "C-004": _DEFAULT,
        "C-017": "the interval may have been set locally",
        "C-018": _LOCAL,
        "C-030": _LARGE,
        "C-031": _LARGE,
        "C-032": _LOCAL,
        "C-033": _LOCAL,
        "C-034": _LOCAL,
        "C-038": _LOCAL,
        "C-039": _LARGE,
        "C-040": _LARGE,
        "C-041": _LOCAL,
        "C-056": "uniqueness shows only among all agents there are",
        "C-069": "a part that lacks something cannot be told from a part that lost it",
        "C-088": _OTLP,
        "C-089": _OTLP,
        "C-093": "what the agent really runs is known to the agent alone",
        "C-097": "what is local does not show",
        "C-119": _INSIDE,
        "C-120": _INSIDE,
        "C-130": "how a hash came about does not show in it",
        "C-131": _INSIDE,
        "C-132": _INSIDE,
        "C-133": _INSIDE,
        "C-135": _INSIDE,
        "C-163": _OTLP,
        "C-164": "what the agent does with other connections is its own affair",
        "C-168": "it takes a crash at the right moment",
        "C-176": "whether the agent has a disk does not show",
        "C-177": _TLS,
        "C-178": "approval is the server's affair; to the agent the offer is like any other (C-171)",
        "C-179": "to the agent the offer is like any other (C-171)",
        "C-181": _TLS,
        "C-182": _TLS,
        "C-185": _TLS,
        "C-186": "when an agent asks again is its own affair",
        "C-188": _TLS,
        "C-191": _OTLP,
        "C-194": "the interval may have been set locally",
        "C-195": _OTLP,
        "C-196": _OTLP,
        "C-199": _OTLP,
        "C-200": "what the agent does with other connections is its own affair",
        "C-201": "what the agent does with other connections is its own affair",
        "C-203": _TLS,
        "C-204": _TLS,
        "C-205": _TLS,
        "C-206": _TLS,
        "C-207": _TLS,
        "C-208": _TLS,
        "C-209": _TLS,
        "C-210": _PROXY,
        "C-211": _PROXY,
        "C-212": _PROXY,
        "C-213": _PROXY,
        "C-214": _TLS,
        "C-217": "the interval may have been set locally",
        "C-236": "which types a capability has is known to the agent alone",
        "C-237": "which types a capability has is known to the agent alone",
        "C-238": "what the agent makes of the data is its own affair",
        "C-256": _LOCAL,
        "C-259": _INSIDE,
        "C-269": "a wait of half a minute without reason cannot be told from any other",
        "C-272": _INSIDE,
        "C-273": _INSIDE,
        "C-274": _INSIDE,
        "C-275": _INSIDE,
        "C-276": _INSIDE,
        "C-277": "which restrictions there are is known to the agent alone",
        "C-278": _LOCAL,
        "C-279": _LOCAL,
        "C-280": _INSIDE,
        "C-281": _INSIDE,
        "C-288": _OTLP,
        "C-290": _GUIDE,
        "C-291": _GUIDE,
        "C-292": _GUIDE,
        "C-293": _GUIDE,
    }
)
