// SPDX-License-Identifier: MIT
// Empty: the source that headers.h is precompiled for.
