"""What tells feature networks from their look-alikes, for convert_checkpoint.py. Tensors are name -> (dtype, shape, bytes).
Only what a person may mix up is looked for here: the program checks every name and shape when it reads the file."""

# Width and depth -> official name.
DINOV2 = {(384, 12): "dinov2_vits14", (768, 12): "dinov2_vitb14", (1024, 24): "dinov2_vitl14"}


def not_inception(tensors):
    """Why this is not the 2015 Inception network; "" if it is."""
    if "fc.weight" in tensors and tensors["fc.weight"][1] == (1000, 2048):
        return ("is torchvision's ImageNet classifier (1000 classes), not the 2015 network (1008): distances under it are "
                "no FID")
    missing = [name for name in ("Conv2d_1a_3x3.conv.weight", "Mixed_5b.branch5x5_1.bn.running_var",
                                 "Mixed_7c.branch_pool.conv.weight", "fc.weight", "fc.bias") if name not in tensors]
    if missing:
        return "lacks " + ", ".join(missing) + ": is it pytorch-fid's file?"
    if len(tensors) != 472 or tensors["fc.weight"][1] != (1008, 2048):
        return (f"holds {len(tensors)} tensors and fc.weight {list(tensors['fc.weight'][1])}; the 2015 network has 472 and "
                "[1008, 2048]")
    return ""


def not_dinov2(tensors):
    """Why this is no DINOv2 backbone that the program knows; "" if it is one."""
    if "register_tokens" in tensors:
        return "has register tokens: another network, whose distances are not FD-DINOv2"
    if any(".mlp.w12." in name for name in tensors):
        return "is the giant with gated layers (SwiGLU), which is not supported"
    missing = [name for name in ("cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight",
                                 "blocks.0.ls1.gamma", "norm.weight") if name not in tensors]
    return "lacks " + ", ".join(missing) + ": is it an official DINOv2 backbone?" if missing else ""


def dinov2_name(tensors):
    depth = len({name.split(".")[1] for name in tensors if name.startswith("blocks.")})
    return DINOV2.get((tensors["cls_token"][1][-1], depth), "a DINOv2 of unpublished size")
