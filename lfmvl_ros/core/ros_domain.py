# SPDX-License-Identifier: Apache-2.0
"""The ROS domain that the environment names, by one rule for all commands and nodes.

ROS itself reads the variable with C's strtoul: it takes 1e3 as domain 1, 010 as 8 and 0x10 as 16.
A node is then in another domain than its user thinks, and finds nobody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lfmvl_ros.core.errors import UserError
from lfmvl_ros.core.safe_text import quoted

VARIABLE = "ROS_DOMAIN_ID"
HIGHEST_DOMAIN = 232  # the ports of higher ROS domains don't exist
_PLAIN = re.compile(r"0|[1-9][0-9]{0,2}")


def domain_of(environment: Mapping[str, str]) -> int | None:
    """Return the ROS domain of an environment; None where it names none, as ROS then uses 0.

    A variable with nothing in it names none: so ROS reads it, too.

    Raises:
        UserError: the variable is not a plain whole number from 0 to :data:`HIGHEST_DOMAIN`.

    >>> domain_of({"ROS_DOMAIN_ID": "7"}), domain_of({"ROS_DOMAIN_ID": ""}), domain_of({})
    (7, None, None)
    """
    text = environment.get(VARIABLE, "")
    if not text:
        return None
    if not _PLAIN.fullmatch(text) or int(text) > HIGHEST_DOMAIN:
        raise UserError(
            f"{VARIABLE} is {quoted(text)}; it is to be a plain whole number from 0 to "
            f"{HIGHEST_DOMAIN}, such as 7"
        )
    return int(text)
