// What the networks inside EDM's wrappers have in common: the configuration by its original argument names,
// and the call F(x; noise label, classes, augmentation).
//
// One key extends the original configuration, for small networks: `patch` (space-to-depth before the first
// convolution and its inverse after the last; 1 there). Names and attn_resolutions then count the sides of
// what the network sees, img_resolution / patch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "models/edm_blocks.h"
#include "models/parameters.h"

namespace schedbench {

struct EdmNetworkConfig {
    int64_t img_resolution = 32;
    int64_t in_channels = 3;
    int64_t out_channels = 3;  ///< twice in_channels with a learned variance
    int64_t label_dim = 0;     ///< number of classes; 0 = unconditional
    int64_t augment_dim = 0;   ///< width of the augmentation labels; 0 = none
    int64_t model_channels = 128;
    std::vector<int64_t> channel_mult = {1, 2, 2, 2};
    int64_t channel_mult_emb = 4;
    int64_t num_blocks = 4;
    std::vector<int64_t> attn_resolutions = {16};  ///< image sides at which attention is used
    double dropout = 0.1;                          ///< in training
    int64_t patch = 1;
    // SongUNet alone:
    bool fourier = false;  ///< embedding_type: fourier (NCSN++) or positional (DDPM++)
    int64_t channel_mult_noise = 1;
    bool residual_encoder = false;  ///< encoder_type: residual (NCSN++) or standard (DDPM++)
    std::vector<double> resample_filter = {1, 1};

    /// Takes the value of one constructor argument; false if the network has no such argument. Values that
    /// are known but not built here, and values of the wrong type, are Error("file") naming `where`.
    bool set(const std::string& model_type, const std::string& key, const nlohmann::json& value,
             const std::string& where);
    void check(const std::string& where) const;  ///< Error("file") for sizes that cannot be

    bool attends_at(int64_t resolution) const;
    int64_t resolution(size_t level) const { return (img_resolution / patch) >> level; }
    std::string level_name(const char* group, size_t level, const std::string& suffix) const;
};

/// What distinguishes the two families' encoders and decoders.
struct EdmLayout {
    EdmBlock block;              ///< everything that does not depend on a block's place
    int64_t first_channels = 0;  ///< after the first convolution
    int64_t channels_per_head =
        0;  ///< heads = channels / this, rounded down (0 heads: no attention); 0: one head
    bool decoder_attends_in_every_block = false;  ///< else only in the last one of a level
};

class EdmNetwork {
  public:
    virtual ~EdmNetwork() = default;
    const EdmNetworkConfig& config() const { return config_; }
    /// With the prefix `model.` of the wrapped network; buffers included.
    const ParameterShapes& parameter_shapes() const { return shapes_; }

    /// x [B, in, S, S], noise_labels [B], classes [B or 1, label_dim] (rows as the network was trained on:
    /// one-hot, or zero for no class; undefined if label_dim is 0), augment [B, augment_dim] or undefined
    /// (the same as zeros) -> [B, out, S, S]. Inputs have the dtype of the embedding's parameters; the trunk
    /// runs in that of its convolutions. `dropout`: the rate to apply (0 when not training).
    at::Tensor forward(const Parameters& parameters, const at::Tensor& x, const at::Tensor& noise_labels,
                       const at::Tensor& classes, const at::Tensor& augment,
                       const ActivationTap& tap = nullptr, double dropout = 0) const;

    /// Multiply-accumulates of one evaluation of one image (convolutions, linear layers, attention products).
    int64_t macs() const;

    /// Initial values by the original's laws (initial_law()), ones and zeros for norms. Deterministic in
    /// `seed`.
    Parameters initial_parameters(uint64_t seed) const;
    /// True for what a weight file holds but training leaves alone: resampling filters and Fourier
    /// frequencies.
    static bool is_buffer(const std::string& name);

  protected:
    /// The laws of the original's initial values, as standard deviations over uniform or normal numbers:
    /// Glorot & Bengio 2010 (xavier: 2/(fan in + fan out)) and He et al. 2015 (kaiming, without its gain:
    /// 1/(fan in)).
    struct InitialLaw {
        enum class Kind { xavier_uniform, kaiming_uniform, kaiming_normal };
        Kind kind;
        double weight, bias;  ///< factors on the law
    };
    /// Of the convolution or linear layer with this prefix.
    virtual InitialLaw initial_law(const std::string& layer) const = 0;
    /// Multiply-accumulates of embed() and finish().
    virtual int64_t outer_macs() const = 0;
    /// Of a checked configuration. Error("file") for channels that the groups of a norm or the heads do not
    /// divide.
    EdmNetwork(EdmNetworkConfig config, const EdmLayout& layout, const std::string& where);
    /// Output of map_noise: [B, noise channels], cosines first.
    virtual at::Tensor embed_noise(const Parameters& parameters, const at::Tensor& noise_labels) const = 0;
    /// From that to the embedding which enters every block, its last SiLU included.
    virtual at::Tensor embed(const Parameters& parameters, const at::Tensor& noise, const at::Tensor& classes,
                             const at::Tensor& augment) const = 0;
    /// From the state of the last block to the image.
    virtual at::Tensor finish(const Parameters& parameters, const at::Tensor& h) const = 0;

    EdmNetworkConfig config_;
    ParameterShapes shapes_;

  private:
    struct Stage {
        enum class Kind {
            conv,      ///< first convolution
            block,     ///< residual block
            auxiliary  ///< NCSN++'s second path down: joins the state and replaces the last skip
        };
        Kind kind;
        size_t level;
        EdmConv conv;
        EdmBlock block;
    };
    void add(std::vector<Stage>& stages, Stage stage, const std::string& where);

    std::vector<Stage> encoder_, decoder_;
};

/// The constructor's defaults of `model_type` SongUNet or DhariwalUNet; Error("file") for any other.
EdmNetworkConfig default_edm_config(const std::string& model_type, const std::string& where);
/// Checks the configuration first.
std::unique_ptr<const EdmNetwork> make_edm_network(const std::string& model_type, EdmNetworkConfig config,
                                                   const std::string& where);

}  // namespace schedbench
