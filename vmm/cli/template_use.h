/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template_use.h - the template that a container is to start from: found, or made
 *
 * Thread: the command line's only one.
 */
#pragma once

#include "vmm/cli/command_line.h"
#include "vmm/container/template_maker.h"
#include "vmm/template/template_store.h"

/*
 * Find the template for the machine of @request, whose memory_fd is not looked at, and make one
 * where --template asks for it. *@ret is TEMPLATE_NONE when the machine is to boot. Of one that
 * cannot be used the log says why, and it is removed; with "always" another one is made, and
 * not being able to is an error.
 */
int template_use(const struct global_options *globals, const struct template_maker_request *request,
		 struct template *ret, struct error *err);

/* Make the template for @request, in place of one that is there. The store's lock must be held. */
int template_make(const struct template_store *store, const struct template_key *key,
		  const struct template_maker_request *request, struct error *err);

/* The key of that machine's template; template_key_clear() releases it. */
int template_key_for(const struct template_maker_request *request, struct template_key *ret,
		     struct error *err);

#define TEMPLATE_LOCK_TIMEOUT_MS 90000 /* while others make theirs */
