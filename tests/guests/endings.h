/* SPDX-License-Identifier: Apache-2.0 */
/* endings.h - ways for a guest to end its own machine, or to stand in nobody's way */
#pragma once

/* One of them, by what follows "end-" in the task's name. Returns when there is none like that. */
void end_by(const char *name);
