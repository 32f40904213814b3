"""Every family of docs/checkpoints.md, cut small with random weights, through its authors' library and through tleg: logits, or
features where there is no head, must be equal to 1e-4 of their largest. Needs torch, torchvision, timm, transformers, open_clip_torch
and vit-pytorch, which no test run has; prints how many of how many.

    python3 tests/families/compare.py build/r/tools/tleg [NAME...]
    python3 tests/families/compare.py --write tests/families/small     the files that the test run reads
"""
import json
import os
import subprocess
import sys
import tempfile
import warnings

os.environ['HF_HUB_OFFLINE'] = '1'
warnings.filterwarnings('ignore')
import numpy as np
import torch
from safetensors.torch import load_file, save_file

SIZES = dict(hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20, image_size=8, patch_size=4)
DINO = dict(hidden_size=12, num_hidden_layers=2, num_attention_heads=3, mlp_ratio=2, image_size=8, patch_size=4)
HEADS = 3
families = {}


def family(name):
    def add(make):
        families[name] = make
        return make
    return add


def hugging_face(model, answer):
    """A folder as its own library writes it, and as version 5 names the same in memory (`flat`)."""
    return model, answer, 'folder'


@family('hugging-face-vit')
def _():
    import transformers as T
    model = T.ViTForImageClassification(T.ViTConfig(num_labels=5, **SIZES))
    return hugging_face(model, lambda x: model(x).logits)


@family('hugging-face-vit-without-head')
def _():
    import transformers as T
    model = T.ViTModel(T.ViTConfig(**SIZES), add_pooling_layer=False)
    return hugging_face(model, lambda x: model(x).last_hidden_state[:, 0])


@family('hugging-face-deit')
def _():
    import transformers as T
    model = T.DeiTForImageClassification(T.DeiTConfig(num_labels=5, **SIZES))
    return None  # its classifier reads the class token of a model with a distillation token


@family('hugging-face-deit-distilled')
def _():
    import transformers as T
    model = T.DeiTForImageClassificationWithTeacher(T.DeiTConfig(num_labels=5, **SIZES))
    return hugging_face(model, lambda x: model(x).logits)


@family('hugging-face-msn')
def _():
    import transformers as T
    model = T.ViTMSNForImageClassification(T.ViTMSNConfig(num_labels=5, **SIZES))
    return hugging_face(model, lambda x: model(x).logits)


@family('hugging-face-mae')
def _():
    import transformers as T
    model = T.ViTMAEModel(T.ViTMAEConfig(mask_ratio=0.0, **SIZES))
    return hugging_face(model, lambda x: model(x, noise=torch.arange(4.0)[None].repeat(len(x), 1)).last_hidden_state[:, 0])


@family('hugging-face-ijepa')
def _():
    import transformers as T
    model = T.IJepaForImageClassification(T.IJepaConfig(num_labels=5, **SIZES))
    return hugging_face(model, lambda x: model(x).logits)


@family('hugging-face-beit')
def _():
    import transformers as T
    model = T.BeitForImageClassification(T.BeitConfig(num_labels=5, use_absolute_position_embeddings=True, **SIZES))
    return hugging_face(model, lambda x: model(x).logits)


@family('hugging-face-data2vec')
def _():
    import transformers as T
    model = T.Data2VecVisionForImageClassification(
        T.Data2VecVisionConfig(num_labels=5, use_absolute_position_embeddings=True, **SIZES))
    return hugging_face(model, lambda x: model(x).logits)


@family('hugging-face-dinov2')
def _():
    import transformers as T
    model = T.Dinov2Model(T.Dinov2Config(**DINO))
    return hugging_face(model, lambda x: model(x).last_hidden_state[:, 0])


@family('hugging-face-dinov2-with-registers')
def _():
    import transformers as T
    model = T.Dinov2WithRegistersModel(T.Dinov2WithRegistersConfig(**DINO))
    return hugging_face(model, lambda x: model(x).last_hidden_state[:, 0])


@family('hugging-face-clip')
def _():
    import transformers as T
    model = T.CLIPVisionModelWithProjection(T.CLIPVisionConfig(projection_dim=7, **SIZES))
    return hugging_face(model, lambda x: model(x).image_embeds)


@family('hugging-face-clip-without-projection')
def _():
    import transformers as T
    model = T.CLIPVisionModel(T.CLIPVisionConfig(hidden_act='gelu', **SIZES))
    return hugging_face(model, lambda x: model(x).pooler_output)


@family('hugging-face-clip-both-towers')
def _():
    import transformers as T
    text = dict(hidden_size=12, num_hidden_layers=1, num_attention_heads=3, intermediate_size=20, vocab_size=99)
    model = T.CLIPModel(T.CLIPConfig(text_config=text, vision_config=SIZES, projection_dim=7))
    return hugging_face(model, lambda x: model.visual_projection(model.vision_model(x).pooler_output))


@family('hugging-face-siglip-classifier')
def _():
    import transformers as T
    model = T.SiglipForImageClassification(T.SiglipConfig(vision_config=dict(vision_use_head=False, **SIZES), num_labels=5))
    return hugging_face(model, lambda x: model(x).logits)


@family('openclip')
def _():
    from open_clip.transformer import VisionTransformer
    model = VisionTransformer(image_size=8, patch_size=4, width=12, layers=2, heads=3, mlp_ratio=2, output_dim=7)
    return model, model, 'visual.'


@family('openai-clip')
def _():
    from open_clip.model import QuickGELU
    from open_clip.transformer import VisionTransformer
    model = VisionTransformer(image_size=8, patch_size=4, width=12, layers=2, heads=3, mlp_ratio=2, output_dim=7,
                              act_layer=QuickGELU)
    return model, model, 'visual.', {'input_resolution': torch.tensor(8)}


@family('torchvision')
def _():
    import torchvision
    model = torchvision.models.VisionTransformer(image_size=8, patch_size=4, num_layers=2, num_heads=3, hidden_dim=12, mlp_dim=20,
                                                 num_classes=5)
    return model, model, ''


class Early(torch.nn.Module):
    """vit-pytorch's ViT before its patches had norms, with its names."""

    def __init__(self):
        super().__init__()
        from einops.layers.torch import Rearrange
        from torch import nn

        class Attention(nn.Module):
            def __init__(self):
                super().__init__()
                self.to_qkv, self.to_out = nn.Linear(12, 36, bias=False), nn.Sequential(nn.Linear(12, 12), nn.Dropout(0))

            def forward(self, x):
                q, k, v = (t.view(len(x), -1, 3, 4).transpose(1, 2) for t in self.to_qkv(x).chunk(3, -1))
                y = ((q @ k.transpose(-1, -2)) * 4 ** -0.5).softmax(-1) @ v
                return self.to_out(y.transpose(1, 2).flatten(2))

        class Feed(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = nn.Sequential(nn.Linear(12, 20), nn.GELU(), nn.Dropout(0), nn.Linear(20, 12), nn.Dropout(0))

            def forward(self, x):
                return self.net(x)

        class PreNorm(nn.Module):
            def __init__(self, fn):
                super().__init__()
                self.norm, self.fn = nn.LayerNorm(12), fn

            def forward(self, x):
                return x + self.fn(self.norm(x))

        self.to_patch_embedding = nn.Sequential(Rearrange('b c (h p1) (w p2) -> b (h w) (p1 p2 c)', p1=4, p2=4), nn.Linear(48, 12))
        self.pos_embedding, self.cls_token = nn.Parameter(torch.randn(1, 5, 12)), nn.Parameter(torch.randn(1, 1, 12))
        self.transformer = nn.Module()
        self.transformer.layers = nn.ModuleList(nn.ModuleList([PreNorm(Attention()), PreNorm(Feed())]) for _ in range(2))
        self.mlp_head = nn.Sequential(nn.LayerNorm(12), nn.Linear(12, 5))

    def forward(self, x):
        x = self.to_patch_embedding(x)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embedding
        for attention, feed in self.transformer.layers:
            x = feed(attention(x))
        return self.mlp_head(x[:, 0])


@family('vit-pytorch-early')
def _():
    model = Early()
    return model, model, ''


def timm_model(*arguments, **options):
    import timm
    return timm.create_model('vit_tiny_patch16_224', img_size=8, patch_size=4, embed_dim=12, depth=2, num_heads=3, mlp_ratio=2,
                             num_classes=5, **options)


@family('meta-dinov2-with-registers')
def _():
    model = timm_model(init_values=0.1, reg_tokens=4, no_embed_class=True)
    tensors = model.state_dict()  # the first row of its positions was added to the class token by timm
    tensors['register_tokens'] = tensors.pop('reg_token')
    row = torch.randn(1, 1, 12)
    tensors['cls_token'] = tensors['cls_token'] - row
    tensors['pos_embed'] = torch.cat([row, tensors['pos_embed']], 1)
    tensors['mask_token'] = torch.zeros(1, 12)
    return model, model, tensors


@family('microsoft-beit-without-relative-positions')
def _():
    import timm
    model = timm.models.beit.Beit(img_size=8, patch_size=4, embed_dim=12, depth=2, num_heads=3, mlp_ratio=2, num_classes=5,
                                  use_abs_pos_emb=True, init_values=0.1)
    tensors = {k: v for k, v in model.state_dict().items() if 'k_bias' not in k}
    return model, model, tensors


@family('meta-deit-3')
def _():
    model = timm_model(init_values=0.1, no_embed_class=True)
    names = {k: k.replace('ls1.gamma', 'gamma_1').replace('ls2.gamma', 'gamma_2') for k in model.state_dict()}
    return model, model, {names[k]: v for k, v in model.state_dict().items()}


# ---- making and comparing ----

def randomise(model):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in sorted(model.named_parameters()):
            spread = 0.3 if tensor.dim() > 1 else 0.2
            value = torch.randn(tensor.shape, generator=generator) * spread
            tensor.copy_((value + (1 if 'norm' in name.lower() or 'ln_' in name else 0)).half().float())
    model.eval()


def write(model, how, extra, folder):
    """The paths to open: what the family's own library writes, or its tensors under a prefix."""
    if how == 'folder':
        model.save_pretrained(folder)
        flat = os.path.join(folder, 'flat.safetensors')
        save_file({k: v.contiguous().clone() for k, v in model.state_dict().items()}, flat)
        return [folder, os.path.join(folder, 'model.safetensors'), flat]
    if isinstance(how, str):
        how = {how + k: v for k, v in model.state_dict().items()}
    path = os.path.join(folder, 'model.safetensors')
    save_file({k: v.contiguous().clone() for k, v in {**how, **extra}.items()}, path)
    return [path]


def build(name):
    torch.manual_seed(3)
    made = families[name]()
    if made is None:
        return None
    model, answer, how, *extra = made
    randomise(model)
    if isinstance(how, dict):  # made of the model's tensors as they were
        torch.manual_seed(3)
        model, answer, how = rebuild(name, model)
    return model, answer, how, extra[0] if extra else {}


def rebuild(name, randomised):
    """The maker once more, whose tensors are then those of `randomised`."""
    import builtins
    state = randomised.state_dict()
    original = torch.nn.Module.state_dict
    torch.nn.Module.state_dict = lambda self, *a, **k: dict(state)
    try:
        torch.manual_seed(3)
        _, _, how = families[name]()[:3]
    finally:
        torch.nn.Module.state_dict = original
    return randomised, randomised, how


def compare(tleg, path, images, expected, folder):
    source, out = os.path.join(folder, 'images.st'), os.path.join(folder, 'out.st')
    save_file({'images': images}, source)
    run = subprocess.run([tleg, 'run', path, '--heads', str(HEADS), '--input', source, '-o', out], capture_output=True, text=True)
    if run.returncode:
        return None, run.stderr.strip().splitlines()[-1]
    answer = load_file(out)
    found = answer['logits'] if 'logits' in answer and answer['logits'].numel() else answer['features']
    if found.shape != expected.shape:
        return None, f'shape {tuple(found.shape)}, expected {tuple(expected.shape)}'
    return float((found - expected).abs().max() / expected.abs().max()), ''


def main():
    tleg, chosen = os.path.abspath(sys.argv[1]), sys.argv[2:] or list(families)
    good = count = 0
    for name in chosen:
        made = build(name)
        if made is None:
            print(f'{name}: not in the table')
            continue
        model, answer, how, extra = made
        images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(2))
        with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
            expected = answer(images)
            for path in write(model, how, extra, folder):
                error, why = compare(tleg, path, images, expected, folder)
                right = error is not None and error < 1e-4
                good, count = good + right, count + 1
                print(f'{name} {os.path.relpath(path, folder)}: {"right" if right else "WRONG"} {error if error is not None else why}')
    print(f'{good} of {count}')
    return good != count


if __name__ == '__main__':
    sys.exit(main())
