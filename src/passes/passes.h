// The passes, each described in its own file.
#pragma once

#include "passes/pipeline.h"

namespace tersor::passes {

int inline_functions(ir::Model& model, PassContext& context);
int constants_to_initializers(ir::Model& model, PassContext& context);
int initializers_not_inputs(ir::Model& model, PassContext& context);
int raise_to_minimum(ir::Model& model, PassContext& context);
int fold_constants(ir::Model& model, PassContext& context);
int simplify_shapes(ir::Model& model, PassContext& context);
int remove_noops(ir::Model& model, PassContext& context);
int einsum_to_matmul(ir::Model& model, PassContext& context);
int merge_transposes(ir::Model& model, PassContext& context);
int merge_duplicates(ir::Model& model, PassContext& context);
int fuse_pad(ir::Model& model, PassContext& context);
int fuse_batchnorm(ir::Model& model, PassContext& context);
int fuse_scale(ir::Model& model, PassContext& context);
int matmul_add_to_gemm(ir::Model& model, PassContext& context);
int recognise_layernorm(ir::Model& model, PassContext& context);
int recognise_gelu(ir::Model& model, PassContext& context);
// The nodes of the main graph that make up the formulas that recognise_gelu finds.
std::vector<ir::NodeId> gelu_formulas(const ir::Model& model);
int recognise_hardswish(ir::Model& model, PassContext& context);
int dead_code(ir::Model& model, PassContext& context);
int dedup_constants(ir::Model& model, PassContext& context);

}  // namespace tersor::passes
