// SPDX-License-Identifier: MIT
// Figures of a test set against scikit-learn (tests/goldens/study/make_metrics_goldens.py).
#include <gtest/gtest.h>

#include <cmath>

#include "quarry/core/file_system.h"
#include "quarry/core/json.h"
#include "quarry/study/executor.h"

namespace quarry {
namespace {

TEST(TestMetrics, AgreeWithScikitLearnOnTiesAndAbsentClasses) {
  const std::string path = QUARRY_GOLDENS "/study/metrics.json";
  const Json cases = Json::parse(read_file(path), path);
  ASSERT_EQ(cases.items().size(), 8u);
  for (const Json& golden : cases.items()) {
    SCOPED_TRACE(golden.at("name").string());
    std::vector<float> logits;
    for (const Json& value : golden.at("logits").items()) logits.push_back(static_cast<float>(value.number()));
    DataPart part;
    for (const Json& label : golden.at("labels").items())
      part.labels.push_back(static_cast<std::int32_t>(label.integer()));
    part.n = static_cast<std::int64_t>(part.labels.size());
    const TestMetrics metrics = test_metrics(matrix<const float>(logits.data(), part.n, golden.at("classes").integer()),
                                             part, Loss::ce_on_logits, 32, true);
    const double auc = golden.at("auc").number();
    if (std::isnan(auc))
      EXPECT_TRUE(std::isnan(metrics.auc)) << metrics.auc;
    else
      EXPECT_NEAR(metrics.auc, auc, 1e-14);
    EXPECT_NEAR(metrics.nll, golden.at("nll").number(), 1e-13);
    EXPECT_DOUBLE_EQ(metrics.accuracy, golden.at("accuracy").number());
  }
}

}  // namespace
}  // namespace quarry
