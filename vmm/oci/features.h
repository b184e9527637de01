/* SPDX-License-Identifier: Apache-2.0 */
/* features.h - what this runtime does, as `features` prints it (features.md, features-linux.md) */
#pragma once

/* Indented JSON without a newline at its end. Heap text of the caller's; NULL without memory. */
char *features_text(void);
