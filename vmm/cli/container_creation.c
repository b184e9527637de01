/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/container_creation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "vmm/base/fd.h"
#include "vmm/base/log.h"
#include "vmm/cli/block_signals.h"
#include "vmm/cli/container_cgroup.h"
#include "vmm/cli/descriptor_socket.h"
#include "vmm/cli/images.h"
#include "vmm/cli/inherited.h"
#include "vmm/cli/lifecycle.h"
#include "vmm/cli/pid_file.h"
#include "vmm/cli/template_use.h"
#include "vmm/kvm/kvm_host.h"
#include "vmm/oci/administrator_policy.h"
#include "vmm/oci/container_config.h"
#include "vmm/oci/guest_plan.h"
#include "vmm/oci/state_root.h"
#include "vmm/session/control_socket.h"

/* The container process in its own pid namespace, which hooks in there see. */
#define PID_IN_CONTAINER 1

/* What is opened and loaded before any process of the container exists. */
struct preparation {
	int bundle_fd;
	char *bundle; /* absolute path, heap */
	struct container_config *config;
	struct host_cgroup cgroup;
	char *guest_plan;
	char *hook_state; /* of createContainer hooks */
	struct image kernel, initramfs;
	struct template template; /* that it starts from, if any */
	int kvm_fd, control_fd;
	int pidfd_socket; /* connected; -1: none */
};

static void preparation_end(struct preparation *preparation)
{
	fd_close(&preparation->bundle_fd);
	free(preparation->bundle);
	container_config_free(preparation->config);
	host_cgroup_clear(&preparation->cgroup);
	if (preparation->guest_plan)
		explicit_bzero(preparation->guest_plan, strlen(preparation->guest_plan));
	free(preparation->guest_plan);
	free(preparation->hook_state);
	image_close(&preparation->kernel);
	image_close(&preparation->initramfs);
	template_clear(&preparation->template);
	fd_close(&preparation->kvm_fd);
	fd_close(&preparation->control_fd);
	fd_close(&preparation->pidfd_socket);
}

static int load_config(struct preparation *preparation,
		       const struct administrator_config *administrator,
		       const struct creation_options *options, struct error *err)
{
	const char *bundle = options->bundle;
	int r;

	preparation->bundle = realpath(bundle ? bundle : ".", NULL);
	if (!preparation->bundle)
		return error_set(err, errno, "bundle '%s'", bundle ? bundle : ".");
	preparation->bundle_fd = open(preparation->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (preparation->bundle_fd < 0)
		return error_set(err, errno, "bundle '%s'", preparation->bundle);
	r = container_config_load(options->config ? AT_FDCWD : preparation->bundle_fd,
				  options->config ? options->config : CONTAINER_CONFIG_NAME,
				  preparation->bundle, &administrator->defaults,
				  &preparation->config, err);
	if (!r)
		r = administrator_check_container(administrator, preparation->config, err);
	if (!r)
		r = administrator_set_network(administrator, preparation->config, err);
	if (r < 0)
		return r;
	if (options->user_network.is_wanted && preparation->config->netns_path)
		return error_invalid(err, "--network user: config.json has a network namespace of "
					  "somebody else: linux.namespaces");
	preparation->config->administrator = administrator;
	for (size_t i = 0; i < preparation->config->warnings.count; i++)
		log_debug("%s", preparation->config->warnings.items[i]);
	return 0;
}

static int make_guest_plan(struct preparation *preparation, const char *id, struct error *err)
{
	uint8_t entropy[CONTAINER_ENTROPY_SIZE];
	int r;

	if (getrandom(entropy, sizeof(entropy), 0) != (ssize_t)sizeof(entropy))
		return error_set(err, errno, "get random bytes");
	r = container_config_guest_plan(preparation->config, entropy, id, preparation->bundle,
					&preparation->guest_plan, err);
	explicit_bzero(entropy, sizeof(entropy));
	return r;
}

/* The state of a container that is being created, for its hooks. */
static int make_hook_state(const struct preparation *preparation, const char *id, pid_t pid,
			   char **ret, struct error *err)
{
	*ret = container_hook_state_text(id, CONTAINER_CREATING, pid, preparation->bundle,
					 preparation->config->annotations);
	return *ret ? 0 : error_set(err, ENOMEM, "describe the container to its hooks");
}

/* A terminal of our caller's own has its size, whatever consoleSize says. */
static int prepare_terminal(struct container_config *config, const struct creation_options *options,
			    struct error *err)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): error_set() never returns 0 */
	bool has_terminal = config->process.has_terminal;

	if (has_terminal && !options->console_socket && !options->is_foreground)
		return error_invalid(err, "cannot allocate tty if bulkhead will detach without "
					  "setting console socket");
	if (options->console_socket && (!has_terminal || options->is_foreground))
		return error_invalid(err, "cannot use console socket if bulkhead will not detach "
					  "or allocate tty");
	if (!options->console_socket)
		console_size(&config->process.rows, &config->process.columns);
	return 0;
}

/* A vCPU count that this KVM takes: a quota for more is no error, it just cannot be used up. */
static void limit_vcpus(const struct preparation *preparation)
{
	unsigned int max = kvm_host_max_vcpus(preparation->kvm_fd);

	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): error_set() never returns 0 */
	if (preparation->config->nr_vcpus > max)
		preparation->config->nr_vcpus = max;
}

static int find_template(struct preparation *preparation, const struct global_options *globals,
			 struct error *err)
{
	const struct container_config *config = preparation->config;
	const struct template_maker_request request = {
		.kvm_fd = preparation->kvm_fd,
		.kernel_fd = preparation->kernel.fd,
		.initramfs_fd = preparation->initramfs.fd,
		.kernel_path = preparation->kernel.path,
		.initramfs_path = preparation->initramfs.path,
		.memory_bytes = config->memory_bytes,
		.nr_vcpus = config->nr_vcpus,
		.is_debug = globals->is_debug,
		.administrator = config->administrator,
	};

	return template_use(globals, &request, &preparation->template, err);
}

static int connect_pidfd_socket(struct preparation *preparation,
				const struct creation_options *options, struct error *err)
{
	if (!options->pidfd_socket)
		return 0;
	preparation->pidfd_socket =
		descriptor_socket_connect("--pidfd-socket", options->pidfd_socket, err);
	return preparation->pidfd_socket < 0 ? preparation->pidfd_socket : 0;
}

static int prepare(struct preparation *preparation, const struct global_options *globals,
		   const struct creation_options *options, struct error *err)
{
	const struct administrator_config *administrator = administrator_of(globals, err);
	int r = administrator ? 0 : -err->code;

	/* First, since more than the state directory is named after it. */
	if (!r)
		r = container_id_check(options->id, err);
	if (!r)
		r = load_config(preparation, administrator, options, err);
	if (!r)
		r = prepare_terminal(preparation->config, options, err);
	if (!r)
		r = inherited_check_for_container(options->preserved_fds, err);
	if (!r)
		r = connect_pidfd_socket(preparation, options, err);
	if (!r)
		r = container_cgroup_plan(globals, options->id, preparation->config,
					  &preparation->cgroup, err);
	if (!r)
		r = make_guest_plan(preparation, options->id, err);
	if (!r)
		r = make_hook_state(preparation, options->id, PID_IN_CONTAINER,
				    &preparation->hook_state, err);
	if (!r)
		r = image_open(IMAGE_KERNEL, kernel_option(globals), &preparation->kernel, err);
	if (!r)
		r = image_open(IMAGE_INITRAMFS, initramfs_option(globals), &preparation->initramfs,
			       err);
	if (r < 0)
		return r;
	preparation->kvm_fd = kvm_host_open(err);
	if (preparation->kvm_fd < 0)
		return preparation->kvm_fd;
	r = kvm_host_check(preparation->kvm_fd, err);
	if (r < 0)
		return r;
	limit_vcpus(preparation);
	return find_template(preparation, globals, err);
}

static int record(struct container_state *state, const struct preparation *preparation,
		  struct error *err)
{
	json_t *cgroup = host_cgroup_to_json(&preparation->cgroup);
	const struct container_state_record fields = {
		.config_text = preparation->config->text,
		.bundle = preparation->bundle,
		.rootfs = preparation->config->rootfs,
		.annotations = preparation->config->annotations,
		.host_cgroup = cgroup,
		.defaults = preparation->config->defaults,
	};
	int r = cgroup ? container_state_init(state, &fields, 0, err)
		       : error_set(err, ENOMEM, "record container %s", state->id);

	json_decref(cgroup);
	return r;
}

static int open_terminal(struct creation *creation, const struct preparation *preparation,
			 const struct creation_options *options, struct error *err)
{
	const struct container_process *process = &preparation->config->process;
	int r;

	if (!process->has_terminal)
		return 0;
	r = console_pty_open(&creation->pty, process->rows, process->columns, err);
	if (r < 0 || !options->console_socket)
		return r;
	r = console_pty_send(&creation->pty, options->console_socket, err);
	fd_close(&creation->pty.master_fd);
	return r;
}

static int launch(struct creation *creation, const struct preparation *preparation,
		  const struct global_options *globals, bool is_foreground, struct error *err)
{
	bool has_terminal = creation->pty.slave_fd >= 0;
	const struct launch_request request = {
		.config = preparation->config,
		.cgroup = &preparation->cgroup,
		.guest_plan = preparation->guest_plan,
		.hook_state = preparation->hook_state,
		.kvm_fd = preparation->kvm_fd,
		.kernel_fd = preparation->kernel.fd,
		.initramfs_fd = preparation->initramfs.fd,
		.kernel_path = preparation->kernel.path,
		.initramfs_path = preparation->initramfs.path,
		.template = preparation->template.memory_fd < 0 ? NULL : &preparation->template,
		.stdio_fds = { has_terminal ? -1 : STDIN_FILENO, has_terminal ? -1 : STDOUT_FILENO,
			       has_terminal ? -1 : STDERR_FILENO },
		.terminal_fd = creation->pty.slave_fd,
		.control_fd = preparation->control_fd,
		.is_debug = globals->is_debug,
		.is_foreground = is_foreground,
	};
	int r = launch_start(&request, &creation->launch, err);

	fd_close(&creation->pty.slave_fd);
	return r;
}

static int run_hooks(struct creation *creation, const struct preparation *preparation,
		     struct error *err)
{
	AUTO_FREE char *state = NULL;
	int r = make_hook_state(preparation, creation->state->id, creation->launch.pid, &state,
				err);

	return r < 0 ? r
		     : launch_run_hooks(&creation->launch, &preparation->config->hooks, state,
					preparation->bundle, creation->signal_fd, err);
}

/* From the claimed id on; what fails here is undone by the caller. */
static int create(struct creation *creation, struct preparation *preparation,
		  const struct global_options *globals, const struct creation_options *options,
		  struct error *err)
{
	int r = record(creation->state, preparation, err);

	if (r < 0)
		return r;
	preparation->control_fd = control_socket_listen(creation->state->dir_fd, err);
	if (preparation->control_fd < 0)
		return preparation->control_fd;
	r = open_terminal(creation, preparation, options, err);
	if (!r)
		r = container_cgroup_make(&preparation->cgroup, preparation->config,
					  creation->state, err);
	if (!r)
		r = launch(creation, preparation, globals, options->is_foreground, err);
	if (!r)
		r = container_state_set_process(creation->state, creation->launch.pid, err);
	if (r < 0)
		return r;
	r = run_hooks(creation, preparation, err);
	if (!r && options->user_network.is_wanted)
		r = user_network_start(&options->user_network, creation->launch.pid,
				       &preparation->cgroup, creation->signal_fd, err);
	if (!r)
		r = launch_wait_created(&creation->launch, creation->signal_fd, err);
	if (r < 0)
		return error_prefix(err, "unable to start container process");
	if (preparation->pidfd_socket >= 0)
		r = descriptor_socket_send_pidfd(preparation->pidfd_socket, creation->launch.pid,
						 PIDFD_OF_CONTAINER, err);
	if (!r)
		r = container_state_set_status(creation->state, CONTAINER_CREATED, err);
	if (!r)
		r = launch_commit(&creation->launch, err);
	if (!r && options->pid_file)
		r = pid_file_write(options->pid_file, creation->launch.pid, err);
	return r;
}

static void undo(struct creation *creation)
{
	struct error ignored;

	if (creation->launch.pid > 0)
		launch_abort(&creation->launch);
	(void)lifecycle_remove(creation->state, creation->signal_fd, &ignored);
	creation_end(creation);
}

int creation_run(const struct global_options *globals, const struct creation_options *options,
		 struct creation *ret, struct error *err)
{
	struct preparation preparation = {
		.bundle_fd = -1,
		.kernel.fd = -1,
		.initramfs.fd = -1,
		.template = TEMPLATE_NONE,
		.kvm_fd = -1,
		.control_fd = -1,
		.pidfd_socket = -1,
	};
	int r;

	*ret = (struct creation){ .launch.sync_fd = -1, .pty = { -1, -1 }, .signal_fd = -1 };
	r = prepare(&preparation, globals, options, err);
	if (!r)
		r = container_state_create(globals->root, options->id, &ret->state, err);
	if (!r) {
		r = block_signals(&ret->signal_fd, err);
		if (!r)
			r = create(ret, &preparation, globals, options, err);
		if (r < 0)
			undo(ret);
	}
	preparation_end(&preparation);
	return r;
}

void creation_end(struct creation *creation)
{
	container_state_free(creation->state);
	creation->state = NULL;
	console_pty_close(&creation->pty);
	fd_close(&creation->launch.sync_fd);
	fd_close(&creation->signal_fd);
}
