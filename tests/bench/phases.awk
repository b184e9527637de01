# SPDX-License-Identifier: Apache-2.0
# phases.awk: a trace of one `bulkhead run` (tests/bench/phases), read twice, to JSON lines: phases,
# who executes how much in each of them, and reasons for which the guest was left.

# Numbers have at most 53 bits: stamps are counted from the first.
function since_first(text) {
	return text - first
}

function owner_of(pid) {
	if (in_guest && comm[pid] ~ /^vcpu/)
		return "guest"
	if (pid == 0)
		return "idle"
	if (comm[pid] ~ /^vcpu/)
		return "KVM, for the guest"
	if (comm[pid] == "monitor")
		return "monitor"
	if (comm[pid] == "container")
		return "container process"
	if (comm[pid] == "network")
		return "network process"
	if (comm[pid] == "bulkhead")
		return "command line"
	return "others, the kernel's own"
}

# Everything since the last event was done by whom the last event left on the processor.
function account(now) {
	if (phase > 0) {
		spent[phase, owner_of(running)] += now - last
		total[phase] += now - last
	}
	last = now
}

# A phase begins: what follows is called so.
function begin(name) {
	if (name in seen)
		return
	seen[name] = 1
	phase++
	names[phase] = name
}

function field(name,    text) {
	if (!match($0, "[ (]" name "[= ][^ ]+"))
		return ""
	return substr($0, RSTART + length(name) + 2, RLENGTH - length(name) - 2)
}

function emit(kind, order, what, unit, value, idle) {
	printf "{\"kind\": \"%s\", \"order\": %d, \"what\": \"%s\", \"unit\": \"%s\", \"value\": %.3f",
		kind, order, what, unit, value
	if (idle != "")
		printf ", \"idle\": %.3f", idle
	print "}"
}

/^#/ || !/\[[0-9]+\]/ { next }

{
	# "comm-PID [CPU] flags stamp: event: fields", where comm may have spaces.
	rest = $0
	sub(/^.*\[[0-9]+\] +[^ ]+ +/, "", rest)
	stamp = rest
	sub(/:.*/, "", stamp)
	sub(/^[^:]*: */, "", rest)
	event = rest
	sub(/[:(].*/, "", event)
}

# First: what each process is called in the end.
FNR == NR {
	if (first == "")
		first = stamp
	if (event == "sched_switch")
		comm[field("next_pid")] = field("next_comm")
	next
}

{
	now = since_first(stamp)
	account(now)
}

event == "sched_switch" {
	running = field("next_pid")
	next
}
event == "sched_process_exec" && index($0, "filename=" program " ") { begin("1 command line, mounts") }
event == "sys_ioctl" || event == "sys_enter_ioctl" { begin("2 machine, sandbox") }
event == "kvm_entry" {
	begin("3 guest kernel boots")
	in_guest = 1
	if (left_for != "") {
		cost[left_for] += now - left_at
		left_for = ""
	}
}
event == "kvm_exit" {
	in_guest = 0
	left_for = field("reason")
	left_at = now
	count[left_for]++
}
event == "frame" && field("process") == 0 {
	if (field("type") == 1)
		begin("4 container is made in the guest")
	if (field("type") == 2)
		begin("5 start, exec")
	if (field("type") == 3)
		begin("6 workload, its end")
	if (field("type") == 5)
		begin("7 everything is taken down")
}
event == "sched_process_exit" && comm[field("pid")] == "bulkhead" && phase > 0 {
	# The command line's own process is the last of them: whatever comes after it is not counted.
	for (key in spent)
		final[key] = spent[key]
	for (key in total)
		final_total[key] = total[key]
}

END {
	split("guest|KVM, for the guest|monitor|container process|network process|command line|" \
		"others, the kernel's own|idle", owners, "|")
	for (i = 1; i <= phase; i++) {
		emit("phase", i, names[i], "Minstr", final_total[i] / 1e6,
			sprintf("%.3f", final[i, "idle"] / 1e6))
		for (j = 1; j <= 8; j++)
			by[j] += final[i, owners[j]]
	}
	for (j = 1; j <= 7; j++)
		emit("who", j, "in " owners[j], "Minstr", by[j] / 1e6)
	for (reason in count) {
		emit("count", -count[reason], "exits: " reason, "times", count[reason])
		emit("cost", -cost[reason], "until entered: " reason, "Minstr", cost[reason] / 1e6)
		nr += count[reason]
	}
	emit("count", -1e9, "exits", "times", nr)
}
