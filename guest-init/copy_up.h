/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy_up.h - the content of a directory copied into the tmpfs that will cover it ("tmpcopyup")
 *
 * Trust: the image chooses the content; links are copied and never followed, and the depth is
 * bounded. The tmpfs bounds the size.
 */
#pragma once

#include "guest-init/failure.h"

/*
 * Copy what lies in the directory @from_fd into the directory @to_fd (O_PATH will do for both),
 * with owner, mode and times; hard links become files of their own.
 */
int copy_up(int from_fd, int to_fd, struct failure *err);
