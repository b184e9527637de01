/* SPDX-License-Identifier: Apache-2.0 */
/* test_guest_lifecycle.c - start and end of a container, its streams, signals and terminal */
#include <sys/ioctl.h>

#include "tests/unit/guest_machine.h"

static void test_exit_code_and_output(void)
{
	struct machine machine;

	run_plan(&machine, plan_make("echo out; exit 3"));
	is_str(machine.output, "out\n");
	is_int(machine.frame.code, 3);
	is_int(machine.frame.is_signal, 0);
}

static void test_exec_failure(void)
{
	json_t *plan = plan_make(NULL);
	struct machine machine;

	plan_set_args(plan, "/bin/garbage", NULL);
	ok(!machine_start(&machine, plan));
	is_int(machine.frame.type, PROTOCOL_ERROR);
	is_str(machine.frame.text, "exec /bin/garbage: exec format error");
	machine_shut_down(&machine);
}

static void test_stdin_to_stdout(void)
{
	enum { CHUNK = 65536, NR_CHUNKS = 1600 }; /* 100 MiB */
	static unsigned char sent[CHUNK], got[CHUNK];
	struct machine machine;
	uint64_t nr_got = 0;
	bool is_intact = true;
	pid_t writer;
	ssize_t n;

	for (size_t i = 0; i < CHUNK; i++)
		sent[i] = (unsigned char)(i * 7 + (i >> 8));
	ok(machine_start(&machine, plan_make("cat; echo end >&2")));
	writer = fork();
	if (!writer) {
		for (size_t i = 0; i < NR_CHUNKS; i++)
			must(send(machine.stream_fds[PROTOCOL_STDIN], sent, CHUNK, 0) == CHUNK,
			     "send");
		_exit(shutdown(machine.stream_fds[PROTOCOL_STDIN], SHUT_WR));
	}
	while ((n = read(machine.stream_fds[PROTOCOL_STDOUT], got, CHUNK)) > 0) {
		for (ssize_t i = 0; i < n && is_intact; i++)
			is_intact = got[i] == sent[(nr_got + (uint64_t)i) % CHUNK];
		nr_got += (uint64_t)n;
	}
	is_int(nr_got, (int64_t)CHUNK * NR_CHUNKS);
	ok(is_intact);
	machine_read_output(&machine, PROTOCOL_STDERR);
	is_str(machine.output, "end\n");
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	is_int(machine.frame.code, 0);
	ok(waitpid(writer, NULL, 0) == writer);
	machine_shut_down(&machine);
}

/* Wait until there is something to read, and no more comes: whoever writes it is stalled. */
static void await_stall(int fd)
{
	int nr_before;
	int nr_queued = 0;

	do {
		nr_before = nr_queued;
		(void)usleep(20000);
		must(!ioctl(fd, FIONREAD, &nr_queued), "FIONREAD");
	} while (!nr_queued || nr_queued != nr_before);
}

/* A host that reads nothing must stall the writer, not the rest of guest-init. */
static void test_back_pressure(void)
{
	struct machine machine;

	ok(machine_start(&machine, plan_make("trap 'exit 9' TERM; while :; do echo y; done")));
	await_stall(machine.stream_fds[PROTOCOL_STDOUT]);
	send_signal(&machine, SIGKILL);
	machine_read_output(&machine, PROTOCOL_STDERR);
	/* What was written before the end still comes, and only then the end. */
	while (read(machine.stream_fds[PROTOCOL_STDOUT], machine.output, OUTPUT_SIZE) > 0)
		;
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	is_int(machine.frame.code, SIGKILL);
	is_int(machine.frame.is_signal, 1);
	machine_shut_down(&machine);
}

static void test_closed_output_is_sigpipe(void)
{
	struct machine machine;

	ok(machine_start(&machine, plan_make("cat /dev/zero; echo $? >&2")));
	machine_close_stream(&machine, PROTOCOL_STDOUT);
	machine_read_output(&machine, PROTOCOL_STDERR);
	is_str(machine.output, "141\n");
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	machine_shut_down(&machine);
}

static void test_signal_of_running(void)
{
	struct machine machine;

	ok(machine_start(
		&machine,
		plan_make("trap 'echo got; exit 5' USR1; echo ready; while :; do sleep 1; done")));
	ok(machine_read_until(&machine, PROTOCOL_STDOUT, "ready\n"));
	send_signal(&machine, SIGTERM); /* PID 1 of a namespace ignores what it does not handle */
	send_signal(&machine, SIGUSR1);
	machine_read_output(&machine, PROTOCOL_STDOUT);
	is_str(machine.output, "got\n");
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	is_int(machine.frame.code, 5);
	machine_shut_down(&machine);
}

static void test_signal_of_created(void)
{
	struct machine machine;

	machine_boot(&machine);
	is_int(machine_receive(&machine), PROTOCOL_HELLO);
	machine_send(&machine, plan_make("echo never"));
	is_int(machine_receive(&machine), PROTOCOL_CREATED);
	send_signal(&machine, SIGWINCH);
	send_signal(&machine, SIGTERM);
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	is_int(machine.frame.is_signal, 1);
	machine_read_output(&machine, PROTOCOL_STDOUT);
	is_str(machine.output, "");
	machine_shut_down(&machine);
}

/* A created container that is stopped runs when it is started. */
static void test_stop_of_created(void)
{
	struct machine machine;

	machine_boot(&machine);
	is_int(machine_receive(&machine), PROTOCOL_HELLO);
	machine_send(&machine, plan_make("echo runs"));
	is_int(machine_receive(&machine), PROTOCOL_CREATED);
	send_signal(&machine, SIGSTOP);
	machine_send(&machine, json_pack("{s:s}", "type", "start"));
	is_int(machine_receive(&machine), PROTOCOL_STARTED);
	machine_read_output(&machine, PROTOCOL_STDOUT);
	is_str(machine.output, "runs\n");
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	machine_shut_down(&machine);
}

/* Without a pid namespace nobody but guest-init ends what the first process left behind. */
static void test_left_behind(void)
{
	json_t *plan = plan_make("sleep 1000 & sleep 1000 & echo done");
	struct machine machine;

	json_object_set_new(plan, "namespaces", json_pack("[s,s]", "mount", "uts"));
	run_plan(&machine, plan);
	is_str(machine.output, "done\n");
	is_int(machine.frame.code, 0);
	run_plan(&machine, plan_make("sleep 1000 & echo done"));
	is_str(machine.output, "done\n");
}

static void test_terminal(void)
{
	json_t *plan =
		plan_make("tty; stty size; test -t 2 && echo stderr; stat -c %u:%g /dev/pts/0;"
			  "echo 1 > /dev/console; read line; echo \"<$line>\";"
			  "until stty size | grep -q 120; do sleep 0.05; done; stty size");
	struct machine machine;

	json_object_set_new(process_of(plan), "terminal", json_true());
	json_object_set_new(process_of(plan), "rows", json_integer(33));
	json_object_set_new(process_of(plan), "columns", json_integer(99));
	ok(machine_start(&machine, plan));
	/* The echo of a line that is sent earlier would be anywhere among this. */
	ok(machine_read_until(&machine, PROTOCOL_TERMINAL, "\r\n1\r\n"));
	is_str(machine.output, "/dev/pts/0\r\n33 99\r\nstderr\r\n0:5\r\n1\r\n");
	must(write(machine.stream_fds[PROTOCOL_TERMINAL], "hello\n", 6) == 6, "write");
	ok(machine_read_until(&machine, PROTOCOL_TERMINAL, "<hello>\r\n"));
	machine_send(&machine, json_pack("{s:s, s:i, s:i, s:i}", "type", "resize", "process", 0,
					 "rows", 44, "columns", 120));
	machine_read_output(&machine, PROTOCOL_TERMINAL);
	ok(strstr(machine.output, "44 120\r\n") != NULL);
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	machine_shut_down(&machine);
}

static void test_terminal_hang_up(void)
{
	json_t *plan = plan_make("trap 'exit 7' HUP; echo ready; while :; do sleep 1; done");
	struct machine machine;

	json_object_set_new(process_of(plan), "terminal", json_true());
	ok(machine_start(&machine, plan));
	ok(machine_read_until(&machine, PROTOCOL_TERMINAL, "ready\r\n"));
	machine_close_stream(&machine, PROTOCOL_TERMINAL);
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	is_int(machine.frame.code, 7);
	machine_shut_down(&machine);
}

/* As an init system does at its start. */
static void test_terminal_that_nobody_has_open(void)
{
	json_t *plan = plan_make("exec <&- >&- 2>&-; sleep 1; echo back > /dev/console");
	struct machine machine;

	json_object_set_new(process_of(plan), "terminal", json_true());
	ok(machine_start(&machine, plan));
	machine_read_output(&machine, PROTOCOL_TERMINAL);
	is_str(machine.output, "back\r\n");
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	is_int(machine.frame.is_signal, 0);
	machine_shut_down(&machine);
}

static void test_protocol_order(void)
{
	struct machine machine;

	machine_boot(&machine);
	is_int(machine_receive(&machine), PROTOCOL_HELLO);
	machine_send(&machine, json_pack("{s:s}", "type", "start"));
	is_int(machine_receive(&machine), PROTOCOL_ERROR);
	is_str(machine.frame.text, "the container is not waiting to be started");
	machine_send(&machine, json_pack("{s:s}", "type", "dance"));
	is_int(machine_receive(&machine), PROTOCOL_ERROR);
	is_str(machine.frame.text, "unknown message type \"dance\"");
	machine_send(&machine, plan_make("true"));
	is_int(machine_receive(&machine), PROTOCOL_CREATED);
	machine_send(&machine, plan_make("true"));
	is_int(machine_receive(&machine), PROTOCOL_ERROR);
	is_str(machine.frame.text, "a container exists already");
	machine_shut_down(&machine);
}

int main(void)
{
	if (!machines_begin())
		return 0;
	test_exit_code_and_output();
	test_exec_failure();
	test_stdin_to_stdout();
	test_back_pressure();
	test_closed_output_is_sigpipe();
	test_signal_of_running();
	test_signal_of_created();
	test_stop_of_created();
	test_left_behind();
	test_terminal();
	test_terminal_hang_up();
	test_terminal_that_nobody_has_open();
	test_protocol_order();
	return machines_end();
}
