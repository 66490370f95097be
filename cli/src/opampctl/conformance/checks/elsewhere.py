"""S-217 to S-219: recommendations about keys and signatures, which no agent can see."""

from __future__ import annotations

from opampctl.conformance.catalogue import untestable

untestable(
    {
        "S-217": "where keys are kept does not show on the wire",
        "S-218": "what a package contains, and whether that is executable, is for the agent to find out",
        "S-219": "signatures are a choice, of which a run without signed packages shows nothing",
    }
)
