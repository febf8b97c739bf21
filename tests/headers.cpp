// SPDX-License-Identifier: MIT
// The program that headers.h is precompiled for: it does nothing.
int main() {}
