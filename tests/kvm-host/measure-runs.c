/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measure-runs - run a command several times and print what each run took
 *
 * Runs inside the emulated host in counting mode, where a nanosecond of
 * CLOCK_MONOTONIC is an executed instruction. Static and tiny, so that forking
 * it costs next to nothing; /dev/null as standard input and output keep
 * everybody but the command off the only CPU.
 *
 * Virtual time goes on while the CPU has nothing to do. How much of a run that
 * was is what the kernel adds up, to the nanosecond, in /proc/timer_list.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUNS_MAX 10000L

struct run {
	double million_instructions; /* waiting included */
	double million_idle;
	/* Of the largest process of the run that was waited for. */
	long peak_rss_kib;
	/* 128+N for a signal. */
	int exit_code;
};

static double now_million(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Of all CPUs since the start of the host, or -1 where the kernel does not tell. */
static double idle_million(void)
{
	FILE *file = fopen("/proc/timer_list", "re");
	double nanoseconds = 0;
	int nr_found = 0;
	char line[256];

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		const char *colon = strstr(line, "_sleeptime") ? strchr(line, ':') : NULL;

		if (!colon)
			continue;
		nanoseconds += strtod(colon + 1, NULL);
		nr_found++;
	}
	fclose(file);
	return nr_found > 0 ? nanoseconds / 1e6 : -1;
}

_Noreturn static void become(char **command)
{
	int null_fd = open("/dev/null", O_RDWR);

	if (null_fd >= 0 && dup2(null_fd, 0) == 0 && dup2(null_fd, 1) == 1)
		execvp(command[0], command);
	warn("%s", command[0]);
	_exit(127);
}

/* Returns 0 and fills @ret_run, or -1 with errno set. */
static int run_once(char **command, struct run *ret_run)
{
	double idle_before = idle_million(), start, idle_after;
	struct rusage usage;
	int status;
	pid_t pid;

	start = now_million();
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0)
		become(command);
	if (wait4(pid, &status, 0, &usage) < 0)
		return -1;
	ret_run->million_instructions = now_million() - start;
	idle_after = idle_million();
	if (idle_before < 0 || idle_after < 0) {
		errno = ENODATA;
		return -1;
	}
	ret_run->million_idle = idle_after - idle_before;
	ret_run->peak_rss_kib = usage.ru_maxrss;
	ret_run->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return 0;
}

static int compare_runs(const void *left, const void *right)
{
	const struct run *a = left, *b = right;

	return (a->million_instructions > b->million_instructions) -
	       (a->million_instructions < b->million_instructions);
}

static void print_summary(struct run *runs, long nr_runs)
{
	double min, median, max;

	qsort(runs, (size_t)nr_runs, sizeof(*runs), compare_runs);
	min = runs[0].million_instructions;
	median = runs[nr_runs / 2].million_instructions;
	max = runs[nr_runs - 1].million_instructions;
	printf("median %.3f, from %.3f to %.3f million instructions\n", median, min, max);
}

/* Returns whether all runs of @command, warm-ups included, exited with 0. */
static int measure(char **command, long nr_warm_ups, long nr_runs, struct run *runs)
{
	int all_good = 1;

	for (long i = -nr_warm_ups; i < nr_runs; i++) {
		struct run warm_up, *run = i < 0 ? &warm_up : &runs[i];

		if (run_once(command, run) < 0) {
			warn("fork, wait or /proc/timer_list");
			return 0;
		}
		all_good &= run->exit_code == 0;
		printf("%s %ld: %.3f million instructions, %.3f of them idle, "
		       "peak RSS %ld KiB, exit code %d\n",
		       i < 0 ? "warm-up" : "run", i < 0 ? i + nr_warm_ups + 1 : i + 1,
		       run->million_instructions, run->million_idle, run->peak_rss_kib,
		       run->exit_code);
		fflush(stdout);
	}
	print_summary(runs, nr_runs);
	return all_good;
}

int main(int argc, char **argv)
{
	long nr_warm_ups = argc > 3 ? strtol(argv[1], NULL, 10) : -1;
	long nr_runs = argc > 3 ? strtol(argv[2], NULL, 10) : -1;
	struct run *runs;
	int all_good;

	if (nr_warm_ups < 0 || nr_warm_ups > RUNS_MAX || nr_runs < 1 || nr_runs > RUNS_MAX) {
		fprintf(stderr, "usage: measure-runs WARM-UPS RUNS COMMAND...\n");
		return 125;
	}
	runs = calloc((size_t)nr_runs, sizeof(*runs));
	if (!runs)
		return 125;
	all_good = measure(argv + 3, nr_warm_ups, nr_runs, runs);
	free(runs);
	return all_good ? 0 : 1;
}
