#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What passes between a container's card and its interface: real interfaces, without a VM.
load helpers

passes()
{
	run -0 timeout 200 "$TOP/build/unit/$1" all
	run ! grep -A 2 '^not ok' <<< "$output"
}

@test "filter: own addresses only, what is denied is told of, nothing opens when it changes" {
	passes test_card_filter
}

@test "filter: an allow-list, connections, fragments and rates" {
	passes test_card_allow_list
}
