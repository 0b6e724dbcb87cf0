// SPDX-License-Identifier: Apache-2.0
// Copies between layouts and element types.

#include "primitive.h"

#ifdef CONSILIUM_ONEDNN

consilium_dnn_primitive *cdnn_make_reorder(cdnn_desc_view source, cdnn_desc_view target) {
    dnnl_primitive_attr_t attributes = cdnn_attributes(false, CONSILIUM_DNN_LINEAR);
    dnnl_primitive_desc_t description = cdnn_describe_reorder(source, target, attributes);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    static const struct cdnn_buffer buffers[] = {{DNNL_ARG_FROM, true}, {DNNL_ARG_TO, false}};
    return cdnn_assemble(description, buffers, 2);
}

consilium_dnn_primitive *consilium_dnn_make_reorder(int64_t n, int64_t channels, int64_t positions, int source_layout,
                                                    int source_type, int target_layout, int target_type) {
    if (!cdnn_engine() || n < 1 || channels < 1 || positions < 1) return NULL;
    const dnnl_dims_t dims = {n, channels, positions};
    cdnn_desc source = cdnn_desc_with_tag(3, dims, cdnn_type(source_type), cdnn_activation_tag(source_layout, 1));
    cdnn_desc target = cdnn_desc_with_tag(3, dims, cdnn_type(target_type), cdnn_activation_tag(target_layout, 1));
    consilium_dnn_primitive *result = cdnn_make_reorder(source, target);
    cdnn_desc_free(source);
    cdnn_desc_free(target);
    return result;
}

#endif
