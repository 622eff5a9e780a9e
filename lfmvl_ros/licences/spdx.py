# SPDX-License-Identifier: Apache-2.0
"""SPDX expressions from what metadata and licence texts say; nothing where they are not clear."""

from __future__ import annotations

import re

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

LFM = "LicenseRef-LFM-1.0"
"""The LFM Open License v1.0, for which SPDX has no identifier."""

# Words that leave no doubt. "BSD" and "Apache" alone are not among them: they name several.
_WORDS = {
    **dict.fromkeys(
        ("apache 2", "apache 2.0", "apache-2", "apache license 2.0", "apache 2.0 license",
         "apache license, version 2.0", "apache license version 2.0"), "Apache-2.0"),
    **dict.fromkeys(("mit license", "the mit license", "the mit license (mit)"), "MIT"),
    **dict.fromkeys(("new bsd", "new bsd license", "modified bsd license", "bsd 3-clause",
                     "bsd 3-clause license", "3-clause bsd license"), "BSD-3-Clause"),
    **dict.fromkeys(("freebsd", "simplified bsd", "bsd 2-clause", "bsd 2-clause license",
                     "2-clause bsd license"), "BSD-2-Clause"),
    **dict.fromkeys(("isc license", "isc license (iscl)"), "ISC"),
    **dict.fromkeys(("mozilla public license 2.0", "mozilla public license 2.0 (mpl 2.0)",
                     "mpl 2.0"), "MPL-2.0"),
    **dict.fromkeys(("zlib license", "zlib/libpng license"), "Zlib"),
    **dict.fromkeys(("lfm1.0", "lfm-1.0", "lfm open license v1.0"), LFM),
}  # fmt: skip
# Each identifier with sentences that its text, in lower case and on one line, has.
_TEXTS = {
    "MIT": ("permission is hereby granted, free of charge, to any person obtaining a copy",
            "this permission notice shall be included"),
    "BSD-3-Clause": ("redistribution and use in source and binary forms",
                     "redistributions in binary form must reproduce", "endorse or promote"),
    "BSD-2-Clause": ("redistribution and use in source and binary forms",
                     "redistributions in binary form must reproduce"),
    "MPL-2.0": ("mozilla public license version 2.0", "1.1. \"contributor\""),
    "ISC": ("permission to use, copy, modify, and/or distribute this software for any purpose "
            "with or without fee is hereby granted, provided that the above copyright notice",),
    "Zlib": ("this software is provided 'as-is'", "altered source versions must be plainly marked"),
    LFM: ("lfm open license v1.0", "terms and conditions for use, reproduction"),
    "Apache-2.0": ("apache license version 2.0, january 2004",
                   "terms and conditions for use, reproduction"),
}  # fmt: skip
# What is not recognised beside the above: a text with one of these says more than one licence.
_OTHERS = ("general public license", "all advertising materials", "creative commons")


def from_words(words: str) -> str:
    """Return the SPDX expression that a few words mean; "" where they are not clear.

    >>> from_words("Apache License 2.0"), from_words("mit OR apache-2.0"), from_words("BSD")
    ('Apache-2.0', 'MIT OR Apache-2.0', '')
    """
    plain = " ".join(words.split())
    if not plain or len(plain) > 200:
        return ""
    if found := _WORDS.get(plain.casefold()):
        return found
    try:
        return str(canonicalize_license_expression(plain))
    except InvalidLicenseExpression:
        return ""


def from_text(text: str) -> str:
    """Return the SPDX expression of a licence's text; "" where it is not recognised.

    A file with several texts is all of them, joined with AND.
    """
    plain = re.sub(r"[\s*#>]+", " ", text.casefold().replace("“", '"').replace("”", '"'))
    if any(words in plain for words in _OTHERS):
        return ""
    found = [name for name, parts in _TEXTS.items() if all(part in plain for part in parts)]
    for narrow, wide in (("BSD-3-Clause", "BSD-2-Clause"), (LFM, "Apache-2.0")):
        if narrow in found and wide in found:  # the one has all the words of the other
            found.remove(wide)
    return " AND ".join(sorted(found))
