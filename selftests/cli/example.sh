#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The example that the README shows.
. "$(dirname "$0")/ktap.bash"

hello=$(dirname "$0")/../../build/examples/hello
prints "the example does what it says" "offset 0: Hello, world" "$hello"
prints "and leaves nothing behind, so it does it again" "offset 0: Hello, world" "$hello"
finish
