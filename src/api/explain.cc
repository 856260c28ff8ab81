#include "tersor/explain.h"

#include "api/impl.h"
#include "quant/explain/explain.h"

namespace tersor {

Explanation explain(const Model& model) { return quant::explain(model.impl().model); }

}  // namespace tersor
