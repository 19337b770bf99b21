/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_provider("x", data, size);
}
