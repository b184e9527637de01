/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/state_json.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/oci/spec_version.h"

#define NR_COLUMNS 6
#define COLUMN_WIDTH_MIN 12
#define COLUMN_GAP 3
#define OWNER_SIZE 256

/* A container whose creator did not get as far as a record: its time of creation, unknown. */
#define TIME_UNKNOWN "0001-01-01T00:00:00Z"

static const char *text_or(const char *text, const char *instead)
{
	return text ? text : instead;
}

static json_t *build_state(const struct container_state *state, const char *owner)
{
	enum container_status status = container_state_status(state);

	return json_pack(
		"{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:o, s:s}", "ociVersion", OCI_SPEC_VERSION,
		"id", state->id, "pid", status == CONTAINER_STOPPED ? 0 : state->pid, "status",
		container_status_name(status), "bundle", text_or(state->bundle, ""), "rootfs",
		text_or(state->rootfs, ""), "created", text_or(state->created, TIME_UNKNOWN),
		"annotations", state->annotations ? json_incref(state->annotations) : json_object(),
		"owner", owner);
}

char *state_json_text(const struct container_state *state)
{
	json_t *object = build_state(state, "");
	char *text = object ? json_dumps(object, JSON_INDENT(2)) : NULL;

	json_decref(object);
	return text;
}

/* The name of the user whose directory it is. */
static const char *find_owner(const struct container_state *state, char *buffer, size_t size)
{
	struct passwd *found = NULL;
	struct passwd entry;
	char names[1024];
	struct stat st;

	if (fstat(state->dir_fd, &st) < 0)
		(void)snprintf(buffer, size, "?");
	else if (getpwuid_r(st.st_uid, &entry, names, sizeof(names), &found) == 0 && found)
		(void)snprintf(buffer, size, "%s", entry.pw_name);
	else
		(void)snprintf(buffer, size, "#%u", st.st_uid);
	return buffer;
}

/* Append the container to @states; leave it out with a note when it is damaged. */
static int add_state(json_t *states, const char *root, const char *id, struct text_list *problems,
		     struct error *err)
{
	struct container_state *state = NULL;
	struct error problem;
	int r = container_state_load(root, id, &state, &problem);

	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		r = text_list_add(problems, "%s", problem.text);
	} else {
		char owner[OWNER_SIZE];

		r = json_array_append_new(
			states, build_state(state, find_owner(state, owner, sizeof(owner))));
	}
	container_state_free(state);
	return r < 0 ? error_set(err, ENOMEM, "list %s", root) : 0;
}

/* One cell per column; @pid_text holds the number. */
static void fill_row(const json_t *state, const char *cells[NR_COLUMNS], char pid_text[16])
{
	static const char *const names[NR_COLUMNS] = { "id",	 "pid",	    "status",
						       "bundle", "created", "owner" };

	for (size_t i = 0; i < NR_COLUMNS; i++)
		cells[i] = json_string_value(json_object_get(state, names[i]));
	(void)snprintf(pid_text, 16, "%d", (int)json_integer_value(json_object_get(state, "pid")));
	cells[1] = pid_text;
}

static void print_row(FILE *out, const char *const cells[NR_COLUMNS],
		      const size_t widths[NR_COLUMNS])
{
	for (size_t i = 0; i < NR_COLUMNS - 1; i++)
		(void)fprintf(out, "%-*s", (int)widths[i], cells[i]);
	(void)fprintf(out, "%s\n", cells[NR_COLUMNS - 1]);
}

static void print_table(FILE *out, const json_t *states)
{
	static const char *const titles[NR_COLUMNS] = { "ID",	  "PID",     "STATUS",
							"BUNDLE", "CREATED", "OWNER" };
	const char *cells[NR_COLUMNS];
	size_t widths[NR_COLUMNS];
	char pid_text[16];

	for (size_t column = 0; column < NR_COLUMNS; column++) {
		widths[column] = COLUMN_WIDTH_MIN;
		for (size_t i = 0; i < json_array_size(states); i++) {
			fill_row(json_array_get(states, i), cells, pid_text);
			if (strlen(cells[column]) + COLUMN_GAP > widths[column])
				widths[column] = strlen(cells[column]) + COLUMN_GAP;
		}
	}
	print_row(out, titles, widths);
	for (size_t i = 0; i < json_array_size(states); i++) {
		fill_row(json_array_get(states, i), cells, pid_text);
		print_row(out, cells, widths);
	}
}

static int print_states(FILE *out, const json_t *states, enum state_list_format format)
{
	AUTO_FREE char *text = NULL;

	switch (format) {
	case STATE_LIST_TABLE:
		print_table(out, states);
		return 0;
	case STATE_LIST_QUIET:
		for (size_t i = 0; i < json_array_size(states); i++)
			(void)fprintf(out, "%s\n",
				      json_string_value(
					      json_object_get(json_array_get(states, i), "id")));
		return 0;
	case STATE_LIST_JSON:
		text = json_dumps(states, JSON_COMPACT);
		if (!text)
			return -ENOMEM;
		(void)fprintf(out, "%s\n", text);
		return 0;
	}
	return -EINVAL;
}

int state_list_print(FILE *out, const char *root, enum state_list_format format,
		     struct text_list *problems, struct error *err)
{
	struct text_list ids = { 0 };
	json_t *states = json_array();
	int r = container_state_list(root, &ids, err);

	for (size_t i = 0; !r && i < ids.count; i++)
		r = add_state(states, root, ids.items[i], problems, err);
	if (!r) {
		r = print_states(out, states, format);
		if (r < 0)
			(void)error_set(err, -r, "list %s", root);
	}
	if (!r && fflush(out) != 0)
		r = error_set(err, errno, "write the list");
	json_decref(states);
	text_list_clear(&ids);
	return r;
}
