/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/kvm/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/kvm/x86_64/cpuid.h"

/*
 * Takes a thread out of KVM_RUN. Sent from outside it means nothing, and so is the one signal that
 * nobody passes on to the workload; a broken pipe is an error code in this program.
 */
#define KICK_SIGNAL SIGPIPE

#define COMPLETION_EXITS_MAX 64

/* Less than a huge page, or the host would make a thread's first page one. */
#define STACK_SIZE ((size_t)256 * 1024)

static void handle_port_access(const struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint32_t size = run->io.size;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	/* String instructions carry several accesses to the same port; KVM bounds their number. */
	for (uint32_t i = 0; i < run->io.count; i++, data += size)
		vcpu->environment->on_access(vcpu->environment->context, VCPU_SPACE_PORTS,
					     run->io.port, data, size,
					     run->io.direction == KVM_EXIT_IO_OUT);
}

static int handle_exit(const struct vcpu *vcpu, const char **ret_text)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_port_access(vcpu);
		return 0;
	case KVM_EXIT_MMIO:
		vcpu->environment->on_access(vcpu->environment->context, VCPU_SPACE_MEMORY,
					     run->mmio.phys_addr, run->mmio.data, run->mmio.len,
					     run->mmio.is_write);
		return 0;
	case KVM_EXIT_INTR:
		return 0;
	case KVM_EXIT_SHUTDOWN:
		*ret_text = "the guest reset itself";
		return 1;
	case KVM_EXIT_FAIL_ENTRY:
		*ret_text = "the processor refuses to enter the guest";
		return -EIO;
	case KVM_EXIT_INTERNAL_ERROR:
		*ret_text = "KVM cannot emulate an instruction of the guest "
			    "(see bulkhead check)";
		return -EIO;
	default:
		*ret_text = "KVM left the guest for a reason that no guest of ours gives";
		return -EIO;
	}
}

int vcpu_run_once(struct vcpu *vcpu, const char **ret_text)
{
	if (ioctl(vcpu->fd, KVM_RUN, 0) < 0) {
		int code = errno;

		if (code == EINTR || code == EAGAIN)
			return 0;
		*ret_text = "KVM_RUN failed";
		return -code;
	}
	return handle_exit(vcpu, ret_text);
}

int vcpu_complete(struct vcpu *vcpu, struct error *err)
{
	const char *text;

	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	/* A large access takes an exit for each of its parts. */
	for (unsigned int i = 0; i < COMPLETION_EXITS_MAX; i++) {
		if (ioctl(vcpu->fd, KVM_RUN, 0) < 0)
			return errno == EINTR ? 0 : error_set(err, errno, "KVM_RUN");
		if (handle_exit(vcpu, &text))
			return error_invalid(err, "%s", text);
	}
	return error_invalid(err, "vCPU %u does not come to rest", vcpu->index);
}

/*
 * Taken back before the gate is looked at: whoever closes it afterwards kicks again. (vcpu_kick()
 * has the other half.)
 */
static void answer_kick(struct vcpu *vcpu)
{
	if (!__atomic_load_n(&vcpu->run->immediate_exit, __ATOMIC_RELAXED))
		return;
	__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	/* A guest that has not set up its clock yet has no watchdog either: EINVAL. */
	if (vcpu_gate_pass(vcpu->environment->gate))
		(void)ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
}

void vcpu_kick(struct vcpu *vcpu)
{
	/*
	 * A thread about to enter the guest sees the flag, which KVM looks at after the point where
	 * a signal would be lost; one that is inside sees the signal.
	 */
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	/* A thread that has no number yet has not looked at the flag either. */
	if (__atomic_load_n(&vcpu->thread_id, __ATOMIC_SEQ_CST))
		(void)tgkill(vcpu->process, vcpu->thread_id, KICK_SIGNAL);
}

static void on_kick_signal(int signal_number)
{
	(void)signal_number; /* that it came is all */
}

/* What takes files of /proc or memory is done here, before the thread's system calls are few. */
static int begin(struct vcpu *vcpu)
{
	char name[16];
	struct error err;

	(void)snprintf(name, sizeof(name), "vcpu%u", vcpu->index);
	(void)prctl(PR_SET_NAME, name);
	vcpu->process = getpid();
	__atomic_store_n(&vcpu->thread_id, gettid(), __ATOMIC_SEQ_CST);
	if (!vcpu->environment->on_start)
		return 0;
	return vcpu->environment->on_start(vcpu->environment->context, &err);
}

static void *run_thread(void *argument)
{
	struct vcpu *vcpu = argument;
	const char *text = "the thread of a processor cannot be sealed";
	int r = begin(vcpu);

	while (!r) {
		answer_kick(vcpu);
		r = vcpu_run_once(vcpu, &text);
	}
	vcpu->environment->on_stop(vcpu->environment->context,
				   r > 0 ? VCPU_STOP_SHUTDOWN : VCPU_STOP_FAILED, text);
	/* The end of a thread takes system calls of its own, which a sealed one does not have. */
	vcpu_gate_stay(vcpu->environment->gate);
}

int vcpu_init(struct vcpu *vcpu, const struct vm *vm, uint32_t index,
	      const struct vcpu_environment *environment, struct error *err)
{
	AUTO_CLOSE int fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, index);
	int size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	int r;

	*vcpu = (struct vcpu){ .fd = -1, .index = index, .environment = environment };
	if (fd < 0)
		return error_set(err, errno, "KVM_CREATE_VCPU %u", index);
	if (size < (int)sizeof(struct kvm_run))
		return error_set(err, EIO, "KVM_GET_VCPU_MMAP_SIZE");
	vcpu->run_size = (size_t)size;
	vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		return error_set(err, errno, "map the state of vCPU %u", index);
	}
	r = cpuid_set(vm->kvm_fd, fd, index, err);
	if (r < 0) {
		vcpu_fini(vcpu);
		return r;
	}
	vcpu->fd = fd_take(&fd);
	return 0;
}

void vcpu_fini(struct vcpu *vcpu)
{
	if (vcpu->run)
		(void)munmap(vcpu->run, vcpu->run_size);
	vcpu->run = NULL;
	fd_close(&vcpu->fd);
}

int vcpu_start(struct vcpu *vcpu, struct error *err)
{
	const struct sigaction action = { .sa_handler = on_kick_signal }; /* no SA_RESTART */
	sigset_t blocked, old;
	pthread_attr_t attributes;
	int r;

	if (sigaction(KICK_SIGNAL, &action, NULL) < 0)
		return error_set(err, errno, "handle a signal");
	vcpu->run->immediate_exit = 1; /* pass the gate first */
	/* The others are for the event loop's thread. */
	(void)sigfillset(&blocked);
	(void)sigdelset(&blocked, KICK_SIGNAL);
	(void)pthread_sigmask(SIG_SETMASK, &blocked, &old);
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
	r = pthread_create(&vcpu->thread, &attributes, run_thread, vcpu);
	(void)pthread_attr_destroy(&attributes);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r ? error_set(err, r, "start the thread of vCPU %u", vcpu->index) : 0;
}
