/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - the log file of the command line (text or JSON lines) and the guest-fault log
 *
 * One line is one write(2) to a descriptor opened before sealing. Libraries do not log, they
 * return errors; logging is for the processes' top levels. Messages may hold any bytes: as text,
 * they cannot steer a terminal; as JSON, they are UTF-8.
 *
 * Thread: any, after log_open().
 */
#pragma once

#include <stdbool.h>

#include "vmm/base/error.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/*
 * Direct the log to @path (appended; NULL means standard error), as JSON lines when @json, down to
 * debug messages when @debug. Without this call errors and warnings go to standard error as text.
 */
int log_open(const char *path, bool json, bool debug, struct error *err);

/* The least urgent level that is written. */
void log_set_level(enum log_level level);

/* Write to the descriptor @fd (kept) from now on. */
void log_set_descriptor(int fd);

/* The descriptor the log goes to: standard error, or that of its own file. */
int log_descriptor(void);

void log_message(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Make @text, in which there can be a path or what another process says, harmless to a terminal:
 * lines, tabs and characters that are shown stay, "?" stands for every other byte.
 */
void log_clean_text(char *text);

#define log_error(...) log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_message(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_message(LOG_LEVEL_DEBUG, __VA_ARGS__)
