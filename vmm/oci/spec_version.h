/* SPDX-License-Identifier: Apache-2.0 */
/* spec_version.h - the OCI runtime specification that is implemented */
#pragma once

#define OCI_SPEC_VERSION_MIN "1.0.0"
#define OCI_SPEC_VERSION "1.3.0"
