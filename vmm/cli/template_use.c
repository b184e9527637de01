/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/template_use.h"

#include <errno.h>
#include <stdlib.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/base/log.h"
#include "vmm/machine_template.h"
#include "vmm/template/processor_identity.h"

#define PAGE_SIZE 4096

/* NOLINTNEXTLINE(misc-redundant-expression): two folders' limits happen to be one number */
_Static_assert(MACHINE_STATE_MAX <= TEMPLATE_STATE_MAX, "the store takes what is saved");

int template_key_for(const struct template_maker_request *request, struct template_key *ret,
		     struct error *err)
{
	struct template_needs needs = {
		.build = version_text(),
		.kernel_fd = request->kernel_fd,
		.initramfs_fd = request->initramfs_fd,
		.memory_bytes = request->memory_bytes,
		.nr_vcpus = request->nr_vcpus,
		.is_debug = request->is_debug,
	};
	int r = processor_identity(request->kvm_fd, &needs.processor, err);

	return r < 0 ? r : template_key_make(ret, &needs, err);
}

int template_make(const struct template_store *store, const struct template_key *key,
		  const struct template_maker_request *request, struct error *err)
{
	struct template_maker_request own = *request;
	AUTO_FREE uint8_t *state = NULL;
	struct template_draft draft;
	size_t size;
	int r = template_draft_begin(store, align_up(request->memory_bytes, PAGE_SIZE), &draft,
				     err);

	if (r < 0)
		return r;
	own.memory_fd = draft.memory_fd;
	r = template_maker_run(&own, &state, &size, err);
	if (!r)
		r = template_draft_publish(store, &draft, key, state, size, err);
	template_draft_end(store, &draft);
	return r;
}

/* Another template may have got the name meanwhile: with the lock it is looked at once more. */
static void discard(struct template_store *store, const struct template_key *key)
{
	struct template template;
	struct error err;

	if (template_store_lock(store, 0, &err) < 0)
		return; /* somebody else sees to it */
	if (template_find(store, key, &template, &err) == 0)
		template_clear(&template);
	else if (err.code != ENOENT && template_remove(store, key->name, &err) < 0)
		log_warning("%s", err.text);
	template_store_unlock(store);
}

/* Returns 0, or a negative errno value when there is none to use; then what is in the way goes. */
static int find(struct template_store *store, const struct template_key *key, struct template *ret)
{
	struct error err;
	int r = template_find(store, key, ret, &err);

	if (r < 0 && r != -ENOENT) {
		log_warning("%s; it is not used", err.text);
		discard(store, key);
	}
	return r;
}

static int find_or_make(struct template_store *store, const struct template_key *key,
			const struct template_maker_request *request, struct template *ret,
			struct error *err)
{
	int r;

	if (find(store, key, ret) == 0)
		return 0;
	r = template_store_lock(store, TEMPLATE_LOCK_TIMEOUT_MS, err);
	if (r < 0)
		return r;
	r = template_find(store, key, ret, err);
	if (r < 0)
		r = template_make(store, key, request, err);
	if (!r && ret->memory_fd < 0)
		r = template_find(store, key, ret, err);
	template_store_unlock(store);
	return r;
}

int template_use(const struct global_options *globals, const struct template_maker_request *request,
		 struct template *ret, struct error *err)
{
	bool is_needed = globals->template_use == TEMPLATE_ALWAYS;
	struct template_store store;
	struct template_key key = { .text = NULL };
	int r;

	*ret = TEMPLATE_NONE;
	if (globals->template_use == TEMPLATE_NEVER)
		return 0;
	r = template_store_open(&store, globals->template_directory, is_needed, err);
	if (!r) {
		r = template_key_for(request, &key, err);
		if (!r && is_needed)
			r = find_or_make(&store, &key, request, ret, err);
		else if (!r)
			(void)find(&store, &key, ret);
		template_key_clear(&key);
		template_store_close(&store);
	} else if (!is_needed) {
		if (r != -ENOENT)
			log_warning("%s; no template is used", err->text);
		return 0;
	}
	return r < 0 && is_needed ? error_prefix(err, "--template always") : 0;
}
