// SPDX-License-Identifier: MIT
// Keys of the network and of its training.
#include "src/study/config_row_makers.h"

namespace quarry::config {
namespace {

void add_model(std::vector<ConfigRow>& t) {
  t.push_back(published("resnet18", choice<&D::run, &R::network>(
                                        "model", "network", {"mlp", "resnet8", "resnet14", "resnet18"},
                                        "what is trained: a perceptron, or a residual network on an image set")));
  t.push_back(number<&D::run, &R::hidden>(KeyKind::widths, "model", "hidden", {1, 65536},
                                          "mlp: widths of the hidden layers; [] = none"));
  t.push_back(number<&D::run, &R::lr>(kReal, "model", "lr", {0, 1000, true}, "learning rate"));
  t.push_back(number<&D::run, &R::weight_decay>(kReal, "model", "weight_decay", {0, 1000},
                                                "L2 penalty, on weights and biases"));
  t.push_back(published(0.9, number<&D::run, &R::momentum>(kReal, "model", "momentum", {0, 1, false, true},
                                                           "momentum of sgd, also in searches")));
  t.push_back(published(
      0.0, earlier(0.15, number<&D::run, &R::dropout>(
                             kReal, "model", "dropout", {0, 1, false, true},
                             "dropout rate: mlp, before every layer but the first; residual networks, of channels "
                             "after the first ReLU of the stem and of each block"))));
}

void add_training(std::vector<ConfigRow>& t) {
  t.push_back(first_version(
      1000, number<&D::run, &R::epochs>(kInteger, "training", "epochs", {1, 1000000}, "epochs of a fit, at most")));
  t.push_back(number<&D::run, &R::updates>(kInteger, "training", "updates", {0, 1000000000},
                                           "if above 0: as many epochs as give at least this many updates"));
  t.push_back(number<&D::run, &R::batch_size>(kInteger, "training", "batch_size", {1, 65536}, "rows per update"));
  t.push_back(published(
      "fill",
      choice<&D::run, &R::batches>(
          "training", "batches", {"fill", "fill_last", "drop_last", "keep_last"},
          "residual networks, batches of an epoch of n rows: fill: floor(n / size) + 1 full ones, as published; "
          "fill_last: ceil(n / size) full ones; drop_last: floor(n / size); keep_last: the last one short")));
  t.push_back(published("warmup_cosine",
                        choice<&D::run, &R::schedule>("training", "schedule", {"constant", "warmup_cosine"},
                                                      "residual networks: learning rate over the epochs; linear from "
                                                      "1 % of it, then half a cosine to zero")));
  t.push_back(published(10, number<&D::run, &R::warmup_epochs>(kInteger, "training", "warmup_epochs", {0, 1000000},
                                                               "warmup_cosine: epochs of the linear part")));
  t.push_back(published(true, row<&D::run, &R::augment>(kBoolean, "training", "augment",
                                                        "residual networks: random crops of the image padded by 4 "
                                                        "black pixels, random flips")));
  t.push_back(choice<&D::run, &R::precision>(
      "training", "precision", {"fp32", "bf16"},
      "residual networks: what convolutions read in training; bf16 needs a GPU, or a CPU with "
      "AVX-512 BF16"));
  t.push_back(choice<&D::run, &R::convolution>(
      "training", "convolution", {"table", "cudnn"},
      "residual networks, training on a GPU: our convolutions by the versioned table of engines, or cuDNN's, a network "
      "at a time, to compare with; another one does not continue a run"));
  t.push_back(faithful(true, row<&D::run, &R::drop_last>(
                                 kBoolean, "training", "drop_last",
                                 "mlp: skip the rows beyond the last full batch of an epoch (never the only batch)")));
  t.push_back(choice<&D::run, &R::optimizer>("training", "optimizer", {"sgd", "adam"}, "optimiser"));
  t.push_back(faithful("ce_on_probs",
                       choice<&D::run, &R::loss>("training", "loss", {"ce_on_logits", "ce_on_probs"},
                                                 "cross-entropy of softmax, or of softmax of softmax (bounded)")));
  t.push_back(earlier("none", faithful("first", choice<&D::run, &R::dropout_epochs>(
                                                    "training", "dropout_epochs", {"all", "first", "none"},
                                                    "epochs in which dropout is active; bald drops in any "
                                                    "case"))));
  t.push_back(faithful(
      false, row<&D::run, &R::weight_by_size>(kBoolean, "training", "weight_by_size",
                                              "evaluation losses are means over rows, not means of batch means")));
  t.push_back(published(
      "fixed",
      faithful("fixed", choice<&D::run, &R::initial_weights>(
                            "training", "initial_weights", {"fixed", "per_use"},
                            "initial weights and row orders: the same in every fit of a run, or new ones; residual "
                            "networks: fixed weights with new orders, and in a search the same numbers for a fold in "
                            "every trial"))));
  t.push_back(row<&D::run, &R::refit_on_all>(kBoolean, "training", "refit_on_all",
                                             "the network that is kept trains on the validation rows too"));
}

void add_ends_of_training(std::vector<ConfigRow>& t) {
  t.push_back(first_version(
      "published",
      choice<&D::run, &R::early_stopping>(
          "training", "early_stopping", {"none", "patience", "published"},
          "mlp, CPU: a fit ends when the validation loss has not improved for more than `patience` epochs in a row; "
          "published: `patience` epochs after it was first above its smallest, whatever comes after, as the study's "
          "first version does")));
  t.push_back(number<&D::run, &R::patience>(kInteger, "training", "patience", {0, 1000000}, "early_stopping: epochs"));
  t.push_back(number<&D::run, &R::stopping_warmup>(kInteger, "training", "stopping_warmup", {0, 1000000},
                                                   "early_stopping: first epochs that do not count"));
  t.push_back(earlier(
      "running", choice<&D::run, &R::train_report>(
                     "training", "train_report", {"evaluated", "running"},
                     "mlp, CPU: training loss and accuracy in the results: of the network that is kept; or the mean "
                     "over all batches of all epochs, each before its update, and the accuracy over the last epoch's "
                     "(dropout_epochs = \"none\" only)")));
}

}  // namespace

void add_training_rows(std::vector<ConfigRow>& t) {
  add_model(t);
  add_training(t);
  add_ends_of_training(t);
}

}  // namespace quarry::config
