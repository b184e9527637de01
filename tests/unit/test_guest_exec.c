/* SPDX-License-Identifier: Apache-2.0 */
/* test_guest_exec.c - more processes in a container: what they share with it, and how they end */
#include <sys/personality.h>

#include "tests/unit/guest_machine.h"

#define IDLE "trap 'exit 7' TERM; echo ready; while :; do sleep 1; done"

/* The stream of process @number as machine_read_output() takes it. */
static enum protocol_stream stream_of(unsigned int number, enum protocol_stream stream)
{
	return (enum protocol_stream)(number * PROTOCOL_NR_STREAMS + stream);
}

/* An "exec" message for @script, whose "process" can be changed. */
static json_t *exec_make(unsigned int number, const char *script)
{
	json_t *plan = plan_make(script);
	json_t *message = json_pack("{s:s, s:i, s:O}", "type", "exec", "number", (int)number,
				    "process", process_of(plan));

	json_decref(plan);
	return message;
}

static void start_idle(struct machine *machine)
{
	ok(machine_start(machine, plan_make(IDLE)));
	ok(machine_read_until(machine, PROTOCOL_STDOUT, "ready\n"));
}

static void end_idle(struct machine *machine)
{
	send_signal(machine, SIGTERM);
	is_int(machine_receive(machine), PROTOCOL_EXITED);
	is_int(machine->frame.process, 0);
	is_int(machine->frame.code, 7);
	machine_shut_down(machine);
}

static void is_frame(struct machine *machine, uint32_t type, uint32_t process, uint32_t code)
{
	is_int(machine_receive(machine), type);
	is_int(machine->frame.process, process);
	is_int(machine->frame.code, code);
}

static void send_signal_to(struct machine *machine, int number, int signal)
{
	machine_send(machine, json_pack("{s:s, s:i, s:i}", "type", "signal", "process", number,
					"signal", signal));
}

static void test_shares_the_container(void)
{
	struct machine machine;
	json_t *message = exec_make(1, "hostname; echo $HOME; id -u; exit 3");

	json_object_set_new(json_object_get(message, "process"), "uid", json_integer(1234));
	json_object_set_new(json_object_get(message, "process"), "env",
			    json_pack("[s]", "PATH=/bin"));
	start_idle(&machine);
	machine_send(&machine, message);
	is_frame(&machine, PROTOCOL_STARTED, 1, 0);
	machine_read_output(&machine, stream_of(1, PROTOCOL_STDOUT));
	is_str(machine.output, "inside\n/home/bob\n1234\n");
	is_frame(&machine, PROTOCOL_EXITED, 1, 3);
	machine_send(&machine,
		     exec_make(2, "for n in mnt pid ipc uts cgroup net; do "
				  "[ $(readlink /proc/self/ns/$n) = $(readlink /proc/1/ns/$n) ] ||"
				  "echo differs $n; done; echo done"));
	is_frame(&machine, PROTOCOL_STARTED, 2, 0);
	machine_read_output(&machine, stream_of(2, PROTOCOL_STDOUT));
	is_str(machine.output, "done\n");
	is_frame(&machine, PROTOCOL_EXITED, 2, 0);
	end_idle(&machine);
}

/* The first process's personality and time namespace, and processors of its own. */
static void test_scheduling(void)
{
	json_t *plan = plan_make(IDLE);
	json_t *message = exec_make(1, "busybox uname -m; cat /proc/self/timens_offsets;"
				       "grep '^Cpus_allowed_list' /proc/self/status");
	struct machine machine;

	json_array_append_new(json_object_get(plan, "namespaces"), json_string("time"));
	json_object_set_new(plan, "timeOffsets",
			    json_pack("[{s:s, s:i, s:i}]", "clock", "boottime", "seconds", 77,
				      "nanoseconds", 0));
	json_object_set_new(process_of(plan), "personality", json_integer(PER_LINUX32));
	json_object_set_new(process_of(message), "initialCpus", json_integer(1));
	json_object_set_new(process_of(message), "finalCpus", json_integer(1));
	ok(machine_start(&machine, plan));
	ok(machine_read_until(&machine, PROTOCOL_STDOUT, "ready\n"));
	machine_send(&machine, message);
	is_frame(&machine, PROTOCOL_STARTED, 1, 0);
	machine_read_output(&machine, stream_of(1, PROTOCOL_STDOUT));
	is_str(machine.output, "i686\nmonotonic           0         0\n"
			       "boottime           77         0\nCpus_allowed_list:\t0\n");
	is_frame(&machine, PROTOCOL_EXITED, 1, 0);

	message = exec_make(2, "test $(busybox nproc) = $(grep -c ^processor /proc/cpuinfo)");
	json_object_set_new(process_of(message), "initialCpus", json_integer(1));
	machine_send(&machine, message);
	is_frame(&machine, PROTOCOL_STARTED, 2, 0);
	is_frame(&machine, PROTOCOL_EXITED, 2, 0);

	message = exec_make(3, "true");
	json_object_set_new(process_of(message), "finalCpus", json_integer(1 | 1LL << 31));
	machine_send(&machine, message);
	is_frame(&machine, PROTOCOL_ERROR, 3, EINVAL);
	ok(strstr(machine.frame.text,
		  "process.execCPUAffinity.final: there are only processors 0x1"));
	end_idle(&machine);
}

static void test_failures_are_its_own(void)
{
	struct machine machine;
	json_t *message = exec_make(1, NULL);

	machine_boot(&machine);
	is_int(machine_receive(&machine), PROTOCOL_HELLO);
	machine_send(&machine, exec_make(2, "true"));
	is_frame(&machine, PROTOCOL_ERROR, 2, EINVAL);
	is_str(machine.frame.text, "the container is not running");
	machine_shut_down(&machine);

	start_idle(&machine);
	json_object_set_new(json_object_get(message, "process"), "args",
			    json_pack("[s]", "/nonsense"));
	machine_send(&machine, message);
	is_frame(&machine, PROTOCOL_ERROR, 1, ENOENT);
	is_str(machine.frame.text,
	       "exec: \"/nonsense\": stat /nonsense: no such file or directory");
	message = exec_make(2, "true");
	json_object_set_new(json_object_get(message, "process"), "cwd", json_string("/missing"));
	machine_send(&machine, message);
	is_frame(&machine, PROTOCOL_ERROR, 2, ENOENT);
	message = exec_make(3, NULL);
	json_object_set_new(json_object_get(message, "process"), "args",
			    json_pack("[s]", "/bin/garbage"));
	machine_send(&machine, message);
	is_frame(&machine, PROTOCOL_ERROR, 3, ENOEXEC);
	machine_send(&machine, exec_make(PROTOCOL_PROCESSES_MAX, "true"));
	is_int(machine_receive(&machine), PROTOCOL_ERROR);
	end_idle(&machine);
}

static void test_number_is_taken(void)
{
	struct machine machine;

	start_idle(&machine);
	machine_send(&machine, exec_make(1, "cat; exit 4"));
	is_frame(&machine, PROTOCOL_STARTED, 1, 0);
	machine_send(&machine, exec_make(1, "true"));
	is_frame(&machine, PROTOCOL_ERROR, 1, EBUSY);
	/* The first owner of the number goes on. */
	ok(write(machine.stream_fds[stream_of(1, PROTOCOL_STDIN)], "text", 4) == 4);
	ok(!shutdown(machine.stream_fds[stream_of(1, PROTOCOL_STDIN)], SHUT_WR));
	machine_read_output(&machine, stream_of(1, PROTOCOL_STDOUT));
	is_str(machine.output, "text");
	is_frame(&machine, PROTOCOL_EXITED, 1, 4);
	end_idle(&machine);
}

/* What a process leaves behind keeps its streams, and does not keep its end from being told. */
static void test_background_child(void)
{
	struct machine machine;

	start_idle(&machine);
	machine_send(&machine, exec_make(1, "(sleep 1; echo later) & echo now; exit 5"));
	is_frame(&machine, PROTOCOL_STARTED, 1, 0);
	is_frame(&machine, PROTOCOL_EXITED, 1, 5);
	machine_read_output(&machine, stream_of(1, PROTOCOL_STDOUT));
	is_str(machine.output, "now\nlater\n");
	end_idle(&machine);
}

static void test_signals(void)
{
	struct machine machine;

	start_idle(&machine);
	machine_send(&machine, exec_make(1, "echo up; while :; do sleep 1; done"));
	is_frame(&machine, PROTOCOL_STARTED, 1, 0);
	ok(machine_read_until(&machine, stream_of(1, PROTOCOL_STDOUT), "up\n"));
	send_signal_to(&machine, 2, SIGTERM); /* nobody */
	send_signal_to(&machine, -2, SIGTERM);
	send_signal_to(&machine, 100000, SIGTERM);
	send_signal_to(&machine, 1, SIGTERM);
	is_frame(&machine, PROTOCOL_EXITED, 1, SIGTERM);
	is_int(machine.frame.is_signal, 1);
	/* All of them: the first process handles it, the other does not. */
	machine_send(&machine, exec_make(2, "echo up; while :; do sleep 1; done"));
	is_frame(&machine, PROTOCOL_STARTED, 2, 0);
	ok(machine_read_until(&machine, stream_of(2, PROTOCOL_STDOUT), "up\n"));
	send_signal_to(&machine, -1, SIGTERM);
	is_frame(&machine, PROTOCOL_EXITED, 2, SIGTERM);
	is_frame(&machine, PROTOCOL_EXITED, 0, 7);
	machine_shut_down(&machine);
}

/* The container's own process being stopped is nothing to the others. */
static void test_first_is_stuck(void)
{
	struct machine machine;

	start_idle(&machine);
	send_signal(&machine, SIGSTOP);
	machine_send(&machine, exec_make(1, "echo works"));
	is_frame(&machine, PROTOCOL_STARTED, 1, 0);
	machine_read_output(&machine, stream_of(1, PROTOCOL_STDOUT));
	is_str(machine.output, "works\n");
	is_frame(&machine, PROTOCOL_EXITED, 1, 0);
	send_signal(&machine, SIGCONT);
	end_idle(&machine);
}

static void test_ends_with_the_container(void)
{
	struct machine machine;

	start_idle(&machine);
	machine_send(&machine, exec_make(1, "trap '' TERM; echo up; while :; do sleep 1; done"));
	is_frame(&machine, PROTOCOL_STARTED, 1, 0);
	ok(machine_read_until(&machine, stream_of(1, PROTOCOL_STDOUT), "up\n"));
	send_signal(&machine, SIGTERM);
	is_frame(&machine, PROTOCOL_EXITED, 1, SIGKILL);
	is_int(machine.frame.is_signal, 1);
	is_frame(&machine, PROTOCOL_EXITED, 0, 7);
	machine_shut_down(&machine);
}

static void test_terminal(void)
{
	struct machine machine;
	json_t *message = exec_make(1, "tty; stty size; echo $1; read line; stty size; exit 6");

	json_object_set_new(json_object_get(message, "process"), "terminal", json_true());
	json_object_set_new(json_object_get(message, "process"), "rows", json_integer(30));
	json_object_set_new(json_object_get(message, "process"), "columns", json_integer(90));
	start_idle(&machine);
	machine_send(&machine, message);
	is_frame(&machine, PROTOCOL_STARTED, 1, 0);
	ok(machine_read_until(&machine, stream_of(1, PROTOCOL_TERMINAL),
			      "/dev/pts/0\r\n30 90\r\n\r\n"));
	machine_send(&machine, json_pack("{s:s, s:i, s:i, s:i}", "type", "resize", "process", 1,
					 "rows", 40, "columns", 100));
	ok(write(machine.stream_fds[stream_of(1, PROTOCOL_TERMINAL)], "\n", 1) == 1);
	machine_read_output(&machine, stream_of(1, PROTOCOL_TERMINAL));
	is_str(machine.output, "\r\n40 100\r\n");
	is_frame(&machine, PROTOCOL_EXITED, 1, 6);
	end_idle(&machine);
}

int main(void)
{
	if (!machines_begin())
		return 0;
	test_shares_the_container();
	test_scheduling();
	test_failures_are_its_own();
	test_number_is_taken();
	test_background_child();
	test_signals();
	test_first_is_stuck();
	test_ends_with_the_container();
	test_terminal();
	return machines_end();
}
