// SPDX-License-Identifier: Apache-2.0
// What is built in: version and abilities of the library, or, without the library, functions that always decline.

#include "onednn_shim.h"

#ifdef CONSILIUM_ONEDNN

#include "library.h"

bool consilium_dnn_is_built(void) { return true; }

int consilium_dnn_version(void) {
    const dnnl_version_t *version = dnnl_version();
    return version->major * 10000 + version->minor * 100 + version->patch;
}

bool consilium_dnn_has_avx512(void) {
    return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
}
bool consilium_dnn_has_bfloat16(void) {
    // The names are sets of instruction sets, each a bit: better processors have all bits of this one.
    return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;
}

#else

#define DECLINE(name, shape)                                 \
    consilium_dnn_primitive *name(const struct shape *what) { \
        (void)what;                                          \
        return NULL;                                         \
    }

bool consilium_dnn_is_built(void) { return false; }
int consilium_dnn_version(void) { return 0; }
bool consilium_dnn_has_avx512(void) { return false; }
bool consilium_dnn_has_bfloat16(void) { return false; }

DECLINE(consilium_dnn_make_matmul, consilium_dnn_matmul)
DECLINE(consilium_dnn_make_convolution_forward, consilium_dnn_convolution)
DECLINE(consilium_dnn_make_convolution_backward_data, consilium_dnn_convolution)
DECLINE(consilium_dnn_make_convolution_backward_weights, consilium_dnn_convolution)
DECLINE(consilium_dnn_make_pooling_forward, consilium_dnn_pooling)
DECLINE(consilium_dnn_make_pooling_backward, consilium_dnn_pooling)

consilium_dnn_primitive *consilium_dnn_make_reorder(int64_t n, int64_t channels, int64_t positions, int source_layout,
                                                    int source_type, int target_layout, int target_type) {
    (void)n, (void)channels, (void)positions;
    (void)source_layout, (void)source_type, (void)target_layout, (void)target_type;
    return NULL;
}

// No primitive exists, so none of these is ever reached with one.
size_t consilium_dnn_workspace_bytes(const consilium_dnn_primitive *primitive) { return (void)primitive, 0; }
size_t consilium_dnn_packed_bytes(const consilium_dnn_primitive *primitive) { return (void)primitive, 0; }
size_t consilium_dnn_scratch_bytes(const consilium_dnn_primitive *primitive) { return (void)primitive, 0; }
const char *consilium_dnn_implementation(const consilium_dnn_primitive *primitive) { return (void)primitive, ""; }

void consilium_dnn_pack(consilium_dnn_primitive *primitive, const float *plain, void *packed) {
    (void)primitive, (void)plain, (void)packed;
}

void consilium_dnn_unpack(consilium_dnn_primitive *primitive, const void *packed, float *plain) {
    (void)primitive, (void)packed, (void)plain;
}

bool consilium_dnn_packs_alike(const consilium_dnn_primitive *a, const consilium_dnn_primitive *b) {
    return (void)a, (void)b, false;
}

void consilium_dnn_execute(consilium_dnn_primitive *primitive, void *const *buffers, void *scratch) {
    (void)primitive, (void)buffers, (void)scratch;
}

void consilium_dnn_destroy(consilium_dnn_primitive *primitive) { (void)primitive; }

#endif
