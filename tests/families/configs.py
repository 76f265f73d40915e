"""A tiny configuration for every model type of transformers' three text mappings.

Sizes that fit most families are set wherever a configuration has the field; what a family needs besides stands in
``SPECIAL``. Windows and sparse rules are shorter than the texts of the tests, so that they show.
"""

from dataclasses import fields
from typing import Any

import torch
import transformers
from transformers.models.auto import modeling_auto

VOCABULARY = 99
LAYERS = 4

SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 48, "max_position_embeddings": 128,
    "sliding_window": 8, "attention_chunk_size": 8, "attention_window_size": 8, "keep_window_size": 8,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2,
    # the same in other words
    "n_embd": 32, "n_layer": LAYERS, "n_head": 4, "n_positions": 128, "n_inner": 48, "n_layers": LAYERS, "n_heads": 4,
    "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 4,
    "encoder_layers": 3, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "ffn_dim": 48, "word_embed_proj_dim": 32, "embedding_size": 32,
    "attention_multiplier": 0.35,  # Granite's scaling of products, which is 1 by default
    # mixtures of experts
    "num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1,
    "topk_group": 1, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16, "first_k_dense_replace": 1,
    "n_shared_experts": 1, "moe_topk": 2, "shared_intermediate_size": 48,
    # multi-latent attention
    "kv_lora_rank": 8, "q_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 8, "v_head_dim": 8,
    # sparse indexers
    "index_topk": 8, "index_head_dim": 8, "index_n_heads": 2,
    # state-space and linear layers of hybrids
    "mamba_d_state": 8, "mamba_d_conv": 4, "mamba_expand": 2, "mamba_n_heads": 8, "mamba_d_head": 8,
    "mamba_n_groups": 1, "mamba_chunk_size": 8, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
    "linear_key_head_dim": 8, "linear_value_head_dim": 8, "use_mamba_kernels": False,
    "state_size": 8, "conv_kernel": 4, "time_step_rank": 4, "chunk_size": 8,
    # relative positions
    "relative_attention_num_buckets": 8, "relative_attention_max_distance": 16,
}  # fmt: skip

HYBRID = ["linear_attention", "full_attention"] * 2
LOCAL_AND_GLOBAL = {"layer_types": ["sliding_attention", "full_attention"] * 2}
MAMBA_HYBRID = {"layer_types": HYBRID}
ROPE = {"rope_type": "default", "rope_theta": 10000.0}

BERT = {
    "model_type": "bert", "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 48,
}  # fmt: skip
INKLING = {
    "swa_num_attention_heads": 4,
    "swa_num_key_value_heads": 2,
    "swa_head_dim": 8,
    "sliding_window_size": 8,
    "d_rel": 4,
    "rel_extent": 16,
}

SPECIAL: dict[str, dict[str, Any]] = {
    "bailing_hybrid": {"layer_group_size": 2},
    "big_bird": {"attention_type": "original_full"},
    "bigbird_pegasus": {"attention_type": "original_full"},
    "bamba": {"attn_layer_indices": [1, 3]},
    "codegen": {"rotary_dim": 4},
    "cohere_compass_text": {
        **LOCAL_AND_GLOBAL,
        "rope_parameters": {
            "sliding_attention": ROPE | {"mrope_section": [2, 1, 1]}, "full_attention": ROPE | {"mrope_section": [2, 1, 1]}
        },
    },
    "cpmant": {"dim_head": 8, "dim_ff": 48, "prompt_length": 4},
    "ctrl": {"dff": 48},
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0}, "ffn_config": {"ffn_hidden_size": 48},
    },
    "distilbert": {"dim": 32, "hidden_dim": 48},
    "blt": {"encoder_hash_byte_group_vocab": 50},
    "dots3_note_text": {
        "num_key_value_heads": 4, "swa_num_attention_heads": 4, "swa_num_key_value_heads": 4, "swa_q_lora_rank": 8,
        "swa_kv_lora_rank": 8, "swa_head_dim": 12, "swa_qk_nope_head_dim": 8, "swa_v_head_dim": 8,
    },
    "dots3_note_vision_encoder": {"mlp_layer_types": ["dense"] * LAYERS, "adapter_in_dim": 32, "adapter_out_dim": 32},
    "dots3_note_audio_encoder": {"adapter_input_size": 32, "adapter_out_dim": 32},
    "vibevoice_acoustic_tokenizer_encoder": {"num_filters": 2, "depths": (1,) * 7},
    "granite_speech_encoder": {"hidden_dim": 32},
    "granite_speech_plus_encoder": {"hidden_dim": 32},
    "blip_2_qformer": {"encoder_hidden_size": 32},
    "inkling_text": INKLING, "inkling2_text": INKLING,
    "encoder-decoder": {"encoder": BERT, "decoder": BERT | {"is_decoder": True, "add_cross_attention": True}},
    "esmc": {"num_key_value_heads": 4},
    "falcon_h1": {"mamba_d_ssm": 64},
    "flaubert": {"emb_dim": 32, "pad_index": 0},
    "fsmt": {"src_vocab_size": VOCABULARY, "tgt_vocab_size": VOCABULARY, "max_position_embeddings": 64},
    "funnel": {"block_sizes": [2, 2], "num_decoder_layers": 1, "d_inner": 48, "d_head": 8},
    "gemma3_text": LOCAL_AND_GLOBAL,
    "gemma3n_text": LOCAL_AND_GLOBAL | {
        "num_kv_shared_layers": 2,
        "vocab_size_per_layer_input": VOCABULARY, "hidden_size_per_layer_input": 8, "laurel_rank": 8,
        "activation_sparsity_pattern": [0.5] * LAYERS,
    },
    "gemma4_text": {"vocab_size_per_layer_input": VOCABULARY, "hidden_size_per_layer_input": 8, "global_head_dim": 8},
    "gemma4_unified_text": {"vocab_size_per_layer_input": VOCABULARY, "global_head_dim": 8},
    "gpt_neo": {"num_layers": LAYERS, "attention_types": [[["global", "local"], 2]], "window_size": 8},
    "gptj": {"rotary_dim": 4},
    "granitemoehybrid": MAMBA_HYBRID,
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "kimi_linear": {"layer_types": HYBRID, "linear_attn_config": {"head_dim": 8, "num_heads": 4}},
    "led": {"attention_window": 8},
    "lfm2": {"layer_types": ["conv", "full_attention"] * 2},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "longcat_flash": {"num_layers": 2, "ffn_hidden_size": 48, "head_dim": 4, "expert_ffn_hidden_size": 16,
                      "zero_expert_num": 2},
    "longformer": {"attention_window": 8},
    "longt5": {"local_radius": 5},
    "luke": {"entity_vocab_size": 10, "entity_emb_size": 8},
    "mamba2": {"num_heads": 8, "head_dim": 8, "n_groups": 1},
    "minimax": {"layer_types": HYBRID, "block_size": 8},
    "minimax_m3_vl_text": {
        "layer_types": ["full_attention", "minimax_m3_sparse"] * 2, "index_n_heads": 2, "index_local_blocks": 1,
        "index_block_size": 4, "index_topk_blocks": 2,
    },
    "mobilebert": {"num_feedforward_networks": 1, "num_hidden_layers": 2},
    "modernbert": {"local_attention": 16},
    "modernbert-decoder": {"local_attention": 16},
    "mpnet": {"relative_attention_num_buckets": 32},
    "neomme": {"head_dim": 16},
    "nemotron_h": {"layer_types": ["linear_attention", "full_attention", "moe", "full_attention"]},
    "nystromformer": {"num_landmarks": 4, "segment_means_seq_len": 24},
    "olmo_hybrid": MAMBA_HYBRID,
    "pegasus_x": {"block_size": 8},
    "perceiver": {"num_latents": 8, "d_latents": 32, "num_blocks": 1, "num_self_attends_per_block": 2,
                  "num_self_attention_heads": 4, "num_cross_attention_heads": 4},
    "prophetnet": {"num_encoder_layers": 3, "num_encoder_attention_heads": 4, "num_decoder_attention_heads": 4},
    "qwen4_exp_text": {
        "layer_types": ["linear_attention", "indexed_attention"] * 2, "hc_lowrank": 8, "indexer_n_heads": 2,
        "indexer_kv_heads": 1, "indexer_head_dim": 8, "indexer_budget": 8, "indexer_compress_ratio": 2,
    },
    "qwen3_5_moe_text": MAMBA_HYBRID,
    "qwen3_5_text": MAMBA_HYBRID,
    "qwen3_next": MAMBA_HYBRID,
    "reformer": {
        "axial_pos_shape": (4, 6), "axial_pos_embds_dim": (16, 16), "attn_layers": ["local", "lsh"],
        "local_attn_chunk_length": 8, "lsh_attn_chunk_length": 8, "num_buckets": 4, "attention_head_size": 8,
    },
    "roc_bert": {"pronunciation_vocab_size": 20, "shape_vocab_size": 20},
    "xglm": {"attention_heads": 4},
    "xlm": {"emb_dim": 32, "pad_index": 0, "max_position_embeddings": 64},
    "xlnet": {"d_inner": 48},
    "xlstm": {"num_heads": 2, "chunk_size": 8, "mode": "train"},
    "xmod": {"default_language": "en_XX"},
    "zamba": {"num_hidden_layers": 6, "layers_block_type": ["linear_attention", "linear_attention", "hybrid"] * 2,
              "num_key_value_heads": 4},
    "zamba2": {"num_hidden_layers": 6, "layers_block_type": ["linear_attention", "linear_attention", "hybrid"] * 2,
               "num_key_value_heads": 4, "num_mem_blocks": 1},
    "zaya": {"num_experts_per_tok": 1, "router_hidden_size": 8, "layer_types": ["hybrid", "hybrid_sliding"] * 2},
}  # fmt: skip

NOT_BUILT = {
    "gemma3n": "its vision tower needs the package timm; its text model is gemma3n_text",
    "gemma4_assistant": "it drafts tokens from another model's hidden states, not from a text",
    "gemma4_unified_assistant": "it drafts tokens from another model's hidden states, not from a text",
    "musicgen": "it writes audio codes, not text",
    "musicgen_melody": "it writes audio codes, not text",
    "nemo_speechlm": "it transcribes speech, and a tiny configuration of its parts was not found",
}
"""Types of the mappings that no tiny text model is built of."""


def model_types() -> list[str]:
    """Every model type of the three mappings."""
    return sorted({name for mapping in mappings() for name in mapping})


def mappings() -> list[dict[str, Any]]:
    """Encoder-decoders first, so that a family that has several kinds of head is built with all its attention."""
    return [
        modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
        modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    ]


def model_class(name: str) -> Any:
    """The class that a checkpoint of this type is opened with."""
    found = next(mapping[name] for mapping in mappings() if name in mapping)
    return getattr(transformers, found if isinstance(found, str) else found[0])


def tiny_model(name: str, **options: Any) -> torch.nn.Module:
    """A model of the type as the auto classes build it, which give a text model's class its part of the configuration."""
    kind, config = model_class(name), tiny_config(name)
    if not isinstance(config, kind.config_class):
        config = config.get_text_config()
    return kind._from_config(config, **options).eval()


def tiny_config(name: str) -> transformers.PreTrainedConfig:
    """A configuration of the type that builds in milliseconds."""
    return _tiny(transformers.CONFIG_MAPPING[name], SPECIAL.get(name, {}))


def _tiny(kind: type[transformers.PreTrainedConfig], special: dict[str, Any]) -> transformers.PreTrainedConfig:
    known = {field.name for field in fields(kind)}
    sizes = {key: value for key, value in SIZES.items() if key in known}
    if "kv_lora_rank" in known:  # multi-latent attention expands one latent to every head
        sizes["num_key_value_heads"] = 4
        sizes.pop("head_dim", None)
    if kind.sub_configs:
        default = kind()
        for key in kind.sub_configs:
            if isinstance(part := getattr(default, key, None), transformers.PreTrainedConfig) and key not in special:
                sizes[key] = _tiny(type(part), SPECIAL.get(part.model_type, {}))
    return kind(**sizes | special)
