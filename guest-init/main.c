/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - the stages of the guest's PID 1
 *
 * It prints nothing unless it has to give up; what there is to say goes over the control
 * connection. See protocol.h for the conversation and supervisor.c for the life of a container.
 */
#include <jansson.h>
#include <string.h>

#include "guest-init/early.h"
#include "guest-init/free_memory.h"
#include "guest-init/host_connection.h"
#include "guest-init/protocol.h"
#include "guest-init/supervisor.h"

int main(int argc, char **argv)
{
	struct failure err;
	int control_fd;

	early_block_signals();
	/* Hash tables of trusted messages: without this the library asks the kernel for a seed. */
	json_object_seed(1);
	if (early_mount(&err) || free_memory_set_order(&err))
		early_die(&err);
	/* The kernel hands on what it does not know of its command line. */
	if (argc > 1 && !strcmp(argv[1], PROTOCOL_TEMPLATE_ARGUMENT))
		early_clear_free_memory();
	control_fd = host_connection_open(PROTOCOL_PORT_CONTROL, &err);
	if (control_fd < 0 || supervisor_run(control_fd, &err))
		early_die(&err);
	early_reboot();
}
