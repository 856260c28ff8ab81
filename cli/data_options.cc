#include "data_options.h"

namespace tersor::cli {

void add_data(CLI::App& app, DataOptions& o, bool with_labels) {
  Data& d = o.data;
  app.add_option(
      "-d,--data", d.path,
      "folder of pictures (JPEG, PNG), .npy, .npz (one array per input), IDX file, random:N");
  if (with_labels)
    app.add_option("--labels", d.labels_path, "IDX, .npy or CSV (header file,label)");
  app.add_option("--preprocess", d.preprocess.preset,
                 "imagenet, fashion-mnist, none, rgb, bgr, gray");
  app.add_option("--resize", d.preprocess.resize, "256 (shorter side) or 320x240");
  app.add_option("--crop", d.preprocess.crop, "224 or 224x224, from the centre");
  app.add_option("--mean", d.preprocess.mean, "0.5 or 0.485,0.456,0.406");
  app.add_option("--std", d.preprocess.std, "likewise");
  app.add_option("--layout", d.preprocess.layout, "nchw or nhwc");
  app.add_option("--channels", d.preprocess.channels, "rgb, bgr or gray");
  app.add_flag("--skip-bad", d.skip_damaged, "leave out damaged items instead of stopping");
  app.add_option("--seed", d.random_seed, "for random:N");
}

}  // namespace tersor::cli
